"""Nothing that a proof leans on is a bare `assert`, which `python -O` takes out of the program.

`.ci/run` also runs this file and a few others (see there) under `python -O`.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = sorted(
    path for part in ("constructions", "bounds", "verify") for path in (ROOT / part).rglob("*.py")
)

LEAKING = """
import torch
from constructions import FactTable, key_value
from constructions.writing.position_reading import with_leaks

model = key_value(FactTable.random_bijections(5, 2), 2)
with torch.no_grad():
    model.layers[1].attention.value.weight[0, model.stream["state"].columns[0]] = 1
try:
    with_leaks(model)
except Exception as error:
    print(__debug__, type(error).__name__)
"""


def asserting(source):
    """Lines with an `assert`, or with an AssertionError raised by hand, which reads as if -O took
    it out.
    """
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assert)
        or (isinstance(node, ast.Name) and node.id == "AssertionError")
    ]


def test_product_code_asserts_nothing():
    found = {str(path.relative_to(ROOT)): asserting(path.read_text()) for path in PRODUCT}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_an_assert_would_be_found():
    assert asserting('"""assert this"""\nx = 1  # assert x\ndef f():\n    assert x\n') == [4]
    assert asserting("raise AssertionError('no')") == [1]


def test_there_is_product_code():
    assert len(PRODUCT) > 60


@pytest.mark.long
def test_a_head_that_reads_what_was_written_is_refused_under_O_too():
    done = subprocess.run(
        [sys.executable, "-O", "-c", LEAKING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "False InternalError\n", done.stderr
