"""`benchmarks/ratios.py`: what it prints, and that what fails is no row."""

import pytest
from benchmark_programs import program_of


@pytest.fixture(scope="module")
def program():
    return program_of("ratios")


@pytest.fixture
def tiny(program):
    return program.Size(0x60, 64, 4, (64, 4), (4, 2), matrix=128)


def columns_said(program):
    """The columns that the docstring documents, in order."""
    lines = program.__doc__.partition("each piece of work:\n\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in lines.splitlines() if not line.startswith(" " * 8)]


def test_ratios_has_a_row_for_each_piece_of_work_in_the_columns_that_it_documents(program, tiny):
    pieces = ["build", "save", "proof", "fast pass"]
    first, title, *rows = program.table(tiny, 2, pieces)
    assert "2 pairs" in first
    assert title.split() == columns_said(program)
    assert [row[:10].strip() for row in rows] == pieces
    assert max(map(len, [title, *rows])) <= 100
    for row in rows:
        ratio, least, most = map(float, row.split()[-3:])
        assert 0 <= least <= ratio <= most


@pytest.mark.long
def test_ratios_runs_commands_as_they_are_typed(program, tiny):
    _, _, *rows = program.table(tiny, 1, ["facts", "bound", "plan"])
    assert [row.split()[0] for row in rows] == ["facts", "bound", "plan"]


def test_the_ratio_is_that_of_pairs_and_the_first_pair_is_not_counted(program):
    runs, least = iter([900.0, 2.0, 9.0, 8.0]), iter([1.0, 2.0, 3.0, 4.0])
    pair = program.Pair("work", "size", lambda: next(runs), "beside", lambda: next(least))
    assert program.measured(pair, 3).split() == [
        *("work", "size", "8.00", "beside", "3.000", "2.0", "1.0", "3.0")
    ]


def test_a_command_that_fails_ends_the_ratios(program):
    with pytest.raises(SystemExit, match="verify plan -N 1 has failed"):
        program.command("plan", "-N", "1")()
