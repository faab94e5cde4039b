"""What the programs of the challenge refuse, and how they end when they are interrupted."""

import sys
from importlib import import_module
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def ended(monkeypatch, capsys):
    """Run a program with options: its exit status, and what it said on the side."""

    def run(name, options, **replaced):
        monkeypatch.syspath_prepend(BENCHMARKS)
        program = import_module(name)
        for attribute, by in replaced.items():
            monkeypatch.setattr(program, attribute, by)
        monkeypatch.setattr(sys, "argv", [name, *options])
        with pytest.raises(SystemExit) as end:
            program.main()
        return end.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-d 15", "-d [15]: give even numbers from 16"),
        ("-d 16 --facts 5000", "--facts 5000: there are 1 to 1024 pairs at d = 16"),
        ("-d 16 --facts 0", "--facts 0: there are 1 to 1024 pairs at d = 16"),
        ("-d 16 --low 100", "--low 100: give 1/64, which is one step, to 4"),
        ("-d 16 --low 0", "--low 0: give 1/64, which is one step, to 4"),
        ("-d 16 --share 2", "--share 2: give more than 0 and at most 1"),
        ("-d 16 --growth -1", "--growth -1: give 0 to 1"),
        ("-d 16 --seeds 0", "--seeds 0: give at least 1"),
        ("-d 16 --alternating 0", "--alternating 0: give at least 1 round"),
        ("-d 16 32 --facts 99 --save w", "one file takes the weights of one d; got -d [16, 32]"),
        ("-d 16 --save nowhere/w", "--save nowhere/w: there is no such folder"),
    ],
)
def test_bad_options_are_refused(ended, options, said):
    status, reported = ended("challenge", options.split())
    assert status == 2
    assert said in reported


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("none.npz", "No such file"),
        ("text.npz", "it is no .npz file"),
        ("other.npz", "'e1 is not a file in the archive'"),
    ],
)
def test_files_that_are_no_weights_are_refused(ended, monkeypatch, tmp_path, file, said):
    (tmp_path / "text.npz").write_text("a\tr\tb\n")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    monkeypatch.chdir(tmp_path)
    status, reported = ended("challenge_evaluator", [file])
    assert status == 2
    assert f"{file}: not the weights of a challenge: " in reported
    assert said in reported


def test_an_interrupted_bisection_ends_in_words(ended):
    stopped = Mock(side_effect=KeyboardInterrupt)
    status, reported = ended("challenge", ["-d", "16"], attempt=stopped)
    assert status == 130
    assert reported == "interrupted: each row above was built and counted again\n"
