"""No code but its own asks which construction it has: not by the name of a construction, a builder
or an option, by a theorem's number, or by what is defined in a theorem's file.

What the rest of the software needs to know of a construction is said in its row of the catalogue,
or recorded in the model by its builder.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from constructions.catalogue import CATALOGUE
from constructions.entry import Construction

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for top in ("constructions", "bounds", "verify") for path in (ROOT / top).rglob("*.py")
)
ROWS = "constructions/catalogue.py"
WORDS_OF_FORMATS = {"layers", "hops_per_token"}
"""Arguments of builders that are also words of every manifest and certificate, and of models."""


def words(entry: Construction) -> set[str]:
    """What names a construction, and its arguments."""
    names = {entry.name, entry.builder_name, entry.file, entry.theorem}
    return (
        names | {option.name for option in entry.options} | set(entry.fixed)
    ) - WORDS_OF_FORMATS


def symbols(entry: Construction) -> set[str]:
    """The symbols of its options."""
    return {option.symbol for option in entry.options}


def is_its_own(entry: Construction, path: str) -> bool:
    """Whether a file is about a construction: its theorem, its sizes."""
    return path in (
        f"constructions/theorems/{entry.file}.py",
        f"constructions/sizes/{entry.file}.py",
    )


def dispatches(source: str, path: str) -> Iterator[str]:
    """What in a file depends on which construction it has, in words."""
    others = [entry for entry in CATALOGUE.values() if not is_its_own(entry, path)]
    own = [entry for entry in CATALOGUE.values() if is_its_own(entry, path)]
    named = {word for entry in others for word in words(entry)}
    named -= {word for entry in own for word in words(entry)}
    asked = {symbol for entry in others for symbol in symbols(entry)}
    tree = ast.parse(source)
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        found = None
        if isinstance(node, ast.Constant) and id(node) not in texts:
            found = node.value if node.value in named else None
        elif isinstance(node, ast.Attribute | ast.keyword):
            name = node.attr if isinstance(node, ast.Attribute) else node.arg
            found = name if name in named else None
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            found = node.slice.value if node.slice.value in asked else None
        elif isinstance(node, ast.ImportFrom) and not path.startswith("constructions/theorems/"):
            module = node.module or ""
            found = module if module.startswith("constructions.theorems.") else None
        if found is not None:
            yield f"{path}:{node.lineno}: {found}"


def test_no_file_asks_which_construction_it_has():
    found = []
    for path in SOURCES:
        where = path.relative_to(ROOT).as_posix()
        if where != ROWS:
            found += dispatches(path.read_text(), where)
    assert found == []
    assert len(SOURCES) > 200


@pytest.mark.parametrize(
    "code",
    [
        'if entry.name == "selector": pass',
        'match builder:\n    case "key_value" | "other": pass',
        'q = options.get("looked_up", 0)',
        "q = options.looked_up",
        "build(facts, share_layers=True)",
        'relations = SYMBOLS["q"]',
        'if entry.theorem == "4.4": pass',
        'if entry.file == "hybrid": pass',
        "from constructions.theorems.theorem_4_4 import chain_of_thought",
    ],
)
def test_a_file_that_asks_is_noticed(code):
    assert len(list(dispatches(code, "verify/cells/verifying.py"))) == 1
    assert list(dispatches(f'def f():\n    """{code!r}"""', "verify/cells/verifying.py")) == []


def test_a_construction_may_name_itself():
    code = 'draft = Draft("hybrid_shared" if share_layers else "hybrid", vocabulary, stream)'
    assert list(dispatches(code, "constructions/theorems/hybrid.py")) == []
    assert len(list(dispatches(code, "constructions/theorems/theorem_4_1.py"))) == 2
