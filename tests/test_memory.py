"""Memory while a model is built, saved, loaded and proven: at most 1.5 times its weights."""

import sys

import pytest
from benchmark_programs import program_of

MOST = 1.5
SIZE, SMALL = 300 * 10**6, 150 * 10**6
STEPS = ("build", "load", "check")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc says what a process holds"),
]


@pytest.fixture(scope="module")
def program():
    """`benchmarks/memory.py`."""
    return program_of("memory")


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        *((name, ("save", *STEPS)) for name in ("selector", "precomputed", "superposition")),
        ("chain_of_thought", ("save", *STEPS)),
        ("key_value_rows", ("check",)),  # the others take a little more: docs/speed.md
    ],
)
def test_no_step_takes_more_than_one_and_a_half_times_the_weights(name, steps, program, tmp_path):
    size = SIZE if "save" in steps else SMALL
    entities, folder = program.entities_for(program.CASES[name], size), tmp_path / "model"
    saved = program.in_a_process("save", name, entities, folder)["bytes"]
    found = {
        step: saved
        if step == "save"
        else program.in_a_process(step, name, entities, folder)["bytes"]
        for step in steps
    }
    weights = program.weights_of(folder)
    assert max(found.values()) <= MOST * weights, {s: b / weights for s, b in found.items()}


def test_the_whole_command_takes_no_more(program, tmp_path):
    entities = program.entities_for(program.CASES["selector"], 4 * SIZE // 3)
    program.in_a_process("save", "selector", entities, folder := tmp_path / "model")
    taken = program.in_a_process("facts", "selector", entities, folder)["bytes"]
    assert taken <= MOST * program.weights_of(folder)


def test_a_build_that_holds_its_model_twice_is_noticed(program, tmp_path):
    entities = program.entities_for(program.CASES["selector"], SIZE)
    taken = program.in_a_process(program.COPIED, "selector", entities, tmp_path)["bytes"]
    assert taken > MOST * 0.9 * SIZE * 1.1
