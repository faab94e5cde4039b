"""Every folder is a floor: imports lead down, and nowhere in a circle."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import PACKAGES, circles, floors, imports_of

ROOT = Path(__file__).resolve().parent.parent
UPWARD = {
    "at the top": "from constructions.facts import {0}\n",
    "in a function": "def inner():\n    from constructions.facts.{0} import Codebook\n",
    "for types": "if TYPE_CHECKING:\n    import constructions.facts.{0}\n",
    "by its name": 'later = import_module("constructions.facts.{0}")\n',
    "relative": "from .{0} import Codebook\n",
}
"""Ways to write into a module of `constructions.facts` the import of another."""


def copied(target):
    """The three packages, and what the tools read, in another folder."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, target / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def append(path, text):
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def test_no_modules_import_each_other_in_a_circle():
    imported = imports_of(ROOT)
    assert len(imported) > 100
    assert circles(imported) == []
    assert sum(map(len, floors(imported))) == len(imported)


@pytest.mark.parametrize("way", UPWARD)
def test_a_circle_is_found_however_it_is_written(way, tmp_path):
    """`words` imports `answers`, which is made to import `words`."""
    facts = tmp_path / "constructions" / "facts"
    shutil.copytree(ROOT / "constructions" / "facts", facts)
    assert circles(imports_of(tmp_path)) == []
    append(facts / "answers.py", UPWARD[way].format("words"))
    assert circles(imports_of(tmp_path)) == [
        ["constructions.facts.answers", "constructions.facts.words"]
    ]


def lint_imports(folder):
    """The exit status of import-linter there, and what it prints."""
    command = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


FORBIDDEN = {
    "the floors of constructions": (
        "constructions/model/stream.py",
        "def inner():\n    from constructions.saved.folder import save\n",
    ),
    "verify above bounds above constructions": (
        "constructions/guards/errors.py",
        "if TYPE_CHECKING:\n    import bounds.counting\n",
    ),
    "the floors of verify": (
        "verify/queries/recall.py",
        "def inner():\n    import verify.cells.grid\n",
    ),
    "no circles, in any folder": (
        "constructions/facts/vocabulary.py",
        "from constructions.facts.codes import Codebook\n",
    ),
    "tables, catalogue and bounds without torch": ("bounds/counting.py", "import torch\n"),
    "the checker shares nothing with what it checks": (
        "verify/symbolic/values.py",
        "from constructions.facts.codes import Codebook\n",
    ),
}
"""For each contract a file, and a text that would break it there."""


@pytest.mark.long
@pytest.mark.skipif(
    importlib.util.find_spec("importlinter") is None,
    reason="needs import-linter, of the extra `lint`; .ci/run has it",
)
def test_each_contract_of_pyproject_is_kept_and_can_be_broken(tmp_path):
    folder = copied(tmp_path)
    status, printed = lint_imports(folder)
    assert status == 0, printed
    assert printed.count(" KEPT") == len(FORBIDDEN)
    for contract, (name, text) in FORBIDDEN.items():
        path = folder / name
        before = path.read_text("utf-8")
        append(path, text)
        status, printed = lint_imports(folder)
        assert status != 0
        assert f"{contract} BROKEN" in printed, printed
        path.write_text(before, "utf-8")
