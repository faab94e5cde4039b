"""What the benchmark of sparse tables refuses, and how it ends when it is interrupted."""

import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from benchmark_programs import program_of

PROGRAM = Path(__file__).resolve().parent.parent / "benchmarks" / "sparse.py"


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ("--gates --draws 0", 2, "--draws 0: give at least 1"),
        ("--graph --mean -1", 2, "--mean -1: a subject has at least 1 fact"),
        ("--graph --most 0", 2, "--most 0: give 1 to 237, the number of relations"),
        ("--graph --most 238", 2, "--most 238: give 1 to 237, the number of relations"),
        ("", 130, "interrupted"),
    ],
)
def test_it_ends_in_words(monkeypatch, capsys, options, status, said):
    program = program_of(PROGRAM.stem)
    monkeypatch.setattr(program, "twenty_tables", Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(sys, "argv", ["sparse", *options.split()])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == status
    assert said in capsys.readouterr().err
