"""What CONTRIBUTING.md says of the ternary selector's way into the catalogue, done in a copy."""

import ast
import re
import shutil
import subprocess
import sys

import pytest
from import_graph import PACKAGES, circles, imports_of
from own_files import ROOT

from constructions.public import AT_ONCE, defined_in

pytestmark = pytest.mark.long
FILE = (ROOT / "docs" / "ternary_selector.py").read_text()
(DIFF,) = re.findall(r"^```diff\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
NAME = "ternary_selector"


def part(name):
    """The text of a function of the file, or of what stands before a statement."""
    (node,) = [
        one
        for one in ast.parse(FILE).body
        if isinstance(one, ast.FunctionDef) and one.name == name
    ]
    return ast.get_source_segment(FILE, node)


def where(name):
    """The module in which a public name is defined."""
    at_once = {
        one: f"constructions.{module}" for module, names in AT_ONCE.items() for one in names
    }
    return (at_once | defined_in())[name]


def theorem():
    """The file of the theorem: without formulas and `mine`, each name from where it is."""
    names = re.search(r"^from constructions import \((.*?)^\)\n", FILE, re.M | re.S)
    gone = {"Construction", "Sizing", "Symbols"}
    listed = sorted(set(re.findall(r"\w+", names[1])) - gone)
    imports = "".join(f"from {where(name)} import {name}\n" for name in listed)
    text = FILE.replace(names[0], imports).replace(part("sizes"), "")
    text = text.replace("from constructions.sizes.tensors import copies, mlp\n", "")
    return text.partition("\nmine = ")[0]


def formulas():
    """The file of the formulas."""
    return (
        "from constructions.sizes.sizing import Sizing\n"
        "from constructions.sizes.symbols import Symbols\n"
        "from constructions.sizes.tensors import copies, mlp\n\n\n"
        + part("sizes").replace("def sizes(", f"def {NAME}(")
    )


def added():
    """The lines that the diff adds to the catalogue: an import, and a row."""
    block = DIFF.partition("+++ constructions/catalogue.py\n")[2].partition("+++ docs")[0]
    lines = [line[1:] for line in block.split("\n") if line.startswith("+")]
    return lines[0], "\n".join(lines[1:])


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the packages with the construction in it."""
    copy = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    (copy / "constructions" / "theorems" / f"{NAME}.py").write_text(theorem())
    (copy / "constructions" / "sizes" / f"{NAME}.py").write_text(formulas())
    catalogue = copy / "constructions" / "catalogue.py"
    text, (imported, row) = catalogue.read_text(), added()
    text = text.replace("    theorem_4_1,\n", f"{imported}\n    theorem_4_1,\n", 1)
    catalogue.write_text(text.replace("_ENTRIES = (\n", f"_ENTRIES = (\n{row}\n", 1))
    return copy


def run(tree, *words):
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(tree)!r})\n"
        "from verify.__main__ import main\n"
        "status = main(sys.argv[1:])\n"
        "print('torch' in sys.modules, file=sys.stderr)\n"
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tree,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_is_verified_by_its_name(tree):
    status, printed, _ = run(tree, NAME, "-N", "10", "-R", "3", "--facts", "partial")
    assert status == 0, printed
    assert f"{NAME} (partial) " in printed
    assert run(ROOT, NAME, "-N", "10", "-R", "3")[0] == 2, "the control: here it is not"


def test_it_is_listed_and_planned_without_torch(tree):
    for words in (["list"], ["plan", "-N", "100", "-R", "4"], ["list", "--markdown"]):
        status, printed, rest = run(tree, *words)
        assert (status, rest) == (0, "False\n")
        assert NAME in printed
    assert "[ternary_selector.py](../constructions/theorems/ternary_selector.py)" in printed


def test_its_imports_lead_down(tree):
    assert circles(imports_of(tree)) == []
    sizes = tree / "constructions" / "sizes" / f"{NAME}.py"
    sizes.write_text(f"from constructions.catalogue import CATALOGUE\n{formulas()}")
    assert len(circles(imports_of(tree))) == 1, "the control"
    sizes.write_text(formulas())
