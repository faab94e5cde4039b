"""A model whose weights are more than twice what its process may hold is saved, proven and asked."""

import importlib.util
import sys
from pathlib import Path

import pytest

ENTITIES, RELATIONS = 150_000, 64
LIMIT = 320 * 2**20
"""Of what is held beside the libraries."""
TIMES = 2
"""The weights are at least so many times what may be held."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA bounds what a process holds"),
]


@pytest.fixture(scope="module")
def program():
    """`benchmarks/beyond_memory.py`."""
    path = Path(__file__).parents[1] / "benchmarks" / "beyond_memory.py"
    spec = importlib.util.spec_from_file_location("beyond_memory", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_model_beyond_memory_is_saved_proven_and_asked(program, tmp_path):
    program.write_table(tmp_path / "answers.npy", ENTITIES, RELATIONS)
    saved = program.in_a_process("save", tmp_path, -LIMIT)
    weights = program.weights_of(tmp_path / "model")
    proven = program.in_a_process("check", tmp_path, -LIMIT)
    asked = program.in_a_process("ask", tmp_path, -LIMIT)
    assert proven["said"].startswith(f"PASS, {ENTITIES * RELATIONS:,} queries; sample: sample: ")
    assert "0 wrong" in proven["said"]
    assert proven["resident"] < saved["resident"] + weights * 3 / 4  # pages are let go
    assert asked["said"].startswith("right; ")
    assert 0 < asked["read"] < weights / 50
    assert weights >= TIMES * LIMIT


def test_a_process_that_builds_the_model_in_memory_exceeds_the_limit(program, tmp_path):
    program.write_table(tmp_path / "answers.npy", ENTITIES, RELATIONS)
    with pytest.raises(SystemExit, match="memory"):
        program.in_a_process(program.HELD, tmp_path, -LIMIT)
