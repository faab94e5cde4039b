"""A model whose weights are twice what its process may hold is saved, proven and asked.

**What a process may hold** in no file, beside the libraries, is half the weights: RLIMIT_DATA.

**How many pages of files** may be in memory with it is counted. Of the facts there are 8 bytes
each, in the table that is mapped, or 4, in the folder. Of the weights there is what is looked at
together, by as many as look, and 2 MiB on both sides of each, which Linux may map as well: what is
hashed (16 MiB), the rows of which some columns are read (2^22 numbers of 2 bytes), two pieces of a
table (2^18 numbers), the rows that a sample multiplies (2^24 numbers). Together that is 57 MiB and
20 MiB. So the weights, however large, add no page: the control keeps theirs.
"""

import json
import sys

import pytest
from benchmark_programs import program_of

ENTITIES, RELATIONS = 150_000, 64
AT_ONCE = 2**24 + 2 * 2**22 + 2 * 2 * 2**18 + 2 * 2**24
"""Bytes of weights that are looked at together."""
AROUND = 5 * 2 * 2**21
ROWS_READ = 3
"""Of a question: those of its subject and its relation, and of its answer."""
LIBRARIES = 2**26
"""Pages of torch and of the interpreter that a step is the first to use."""

KEPT = """
import runpy, sys
import verify.queries.sampled, verify.reading.maps
verify.reading.maps._DROP = None
verify.queries.sampled.sample = lambda *_: None
runpy.run_path({program!r}, run_name="__main__")
"""
"""The benchmark in a process that keeps every page that it has looked at."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA bounds what a process holds"),
]


@pytest.fixture(scope="module")
def program():
    """`benchmarks/beyond_memory.py`."""
    return program_of("beyond_memory")


@pytest.fixture(scope="module")
def place(program, tmp_path_factory):
    """A folder with a table of facts and, saved without a limit, its model."""
    path = tmp_path_factory.mktemp("beyond")
    program.write_table(path / "answers.npy", ENTITIES, RELATIONS)
    program.in_a_process("save", path, -(2**40))
    return path


def internal_bytes(folder):
    """Bytes of all weights in float16 but the embedding and the unembedding."""
    sizes = json.loads((folder / "manifest.json").read_text())["sizes"]
    return 2 * (sizes["parameters"] - 2 * sizes["d_vocab"] * sizes["d_model"])


def resident(limit, bytes_of_a_fact):
    """The most that may come into memory, beside what was there before the step."""
    pages = bytes_of_a_fact * ENTITIES * RELATIONS + AT_ONCE + AROUND + LIBRARIES
    return limit + pages


def test_a_model_beyond_memory_is_saved_proven_and_asked(program, place, tmp_path):
    weights = program.weights_of(place / "model")
    limit = weights // 2
    (tmp_path / "answers.npy").symlink_to(place / "answers.npy")
    saved, proven, asked = (program.in_a_process(name, tmp_path, -limit) for name in program.STEPS)
    assert program.weights_of(tmp_path / "model") == weights
    assert proven["said"].startswith(f"PASS, {ENTITIES * RELATIONS:,} queries; sample: sample: ")
    assert "0 wrong" in proven["said"]
    assert asked["said"].startswith("right; ")
    assert 0 < asked["read"] <= internal_bytes(place / "model") + ROWS_READ * 2 * 2**21
    assert saved["more"] < resident(limit, 8)
    assert proven["more"] < resident(limit, 4)
    assert asked["more"] < resident(limit, 4)


def test_an_answer_in_numbers_reads_few_rows_as_well(program, place, tmp_path):
    """In float32; the control: the unembedding alone is three times what may be read."""
    (tmp_path / "answers.npy").symlink_to(place / "answers.npy")
    for name in ("save", "ask"):
        asked = program.in_a_process(name, tmp_path, -(2**40), construction="digit_selector")
    assert asked["said"].startswith("right; ")
    most = 2 * internal_bytes(tmp_path / "model") + ROWS_READ * 2 * 2**21
    assert 0 < asked["read"] <= most
    assert 3 * most < program.weights_of(tmp_path / "model")  # half of both tables


def test_a_process_that_keeps_pages_has_all_weights_in_memory(program, place, tmp_path):
    control = tmp_path / "kept.py"
    control.write_text(KEPT.format(program=program.__file__))
    limit = program.weights_of(place / "model") // 2
    proven = program.in_a_process("check", place, -limit, str(control))
    assert proven["said"].startswith("PASS, ")
    assert proven["more"] > resident(limit, 4)


def test_a_process_that_builds_the_model_in_memory_exceeds_the_limit(program, place):
    limit = program.weights_of(place / "model") // 2
    with pytest.raises(SystemExit, match="memory"):
        program.in_a_process(program.HELD, place, -limit)
