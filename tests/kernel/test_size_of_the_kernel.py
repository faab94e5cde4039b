"""The kernel can be read: few lines, and nothing but the standard library and numpy."""

import ast
import io
import re
import sys
import tokenize
from pathlib import Path

import pytest

import verify.kernel

FOLDER = Path(verify.kernel.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))
MOST_LINES = 400
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def lines_of_code(source):
    """Lines without blanks, comments and docstrings."""
    texts = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)
    ]
    documented = {line for text in texts for line in range(text.lineno, text.end_lineno + 1)}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {
        line
        for token in tokens
        if token.type not in LAYOUT
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - documented)


def test_the_kernel_has_at_most_four_hundred_lines():
    assert sum(lines_of_code(path.read_text()) for path in FILES) <= MOST_LINES


@pytest.mark.parametrize(
    ("source", "lines"),
    [('"""Words."""\n\nx = 1  # one\n# two\n', 1), ('def f():\n    """A.\n\n    B."""\n', 1)],
)
def test_what_is_counted(source, lines):
    assert lines_of_code(source) == lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_imports_numpy_and_the_standard_library_alone(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
    outside = {name for name in found if not name.startswith("verify.kernel")}
    assert {name.partition(".")[0] for name in outside} <= {*sys.stdlib_module_names, "numpy"}


def test_every_lemma_of_the_kernel_is_cited_and_stated():
    code = "\n".join(path.read_text() for path in FILES)
    docs = (FOLDER.parents[1] / "docs" / "certificates.md").read_text()
    cited, stated = set(re.findall(r"\bK\d+\b", code)), set(re.findall(r"\*\*Lemma (K\d+)", docs))
    assert cited == stated != set()
