"""A long run says where it stands: on a terminal in a bar, else now and then on standard error."""

import sys
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import dataclass

import pytest
from command_line import on_a_terminal
from made_up_places import Simulated, wait

from constructions.saved.folder import save
from verify.cells.cell import Cell
from verify.cells.verifying import build
from verify.cli.commands.long_work import run
from verify.cli.watching import Watch, watched
from verify.runner.job import Cost, Job, Kind


@dataclass
class Clock:
    """A clock that is put forward by hand."""

    now: float = 0.0

    def __call__(self):
        return self.now


NAPS = Kind("nap", int, int, lambda nap: {"nap": nap}, lambda nap: Cost(10.0, 0), max)


def jobs(count):
    return [Job(NAPS, number, "") for number in range(count)]


def lines_of(count, seconds, known=0):
    """The lines that a log gets from a run of so many jobs, one after another, of so many seconds each."""
    clock = Clock()
    watch = Watch(jobs(count), range(count), "naps", clock)
    for job in range(known):
        watch.known(job, seconds)
    said = []
    for job in range(known, count):
        watch.begun([job], 1)
        clock.now += seconds
        watch.ended(job, seconds)
        said += filter(None, [watch.line()])
    return said


def test_a_log_has_a_line_at_each_twentieth_of_the_work():
    said = lines_of(200, 10.0)
    assert len(said) == 19
    assert said[0].startswith("5 % of the work after 2 min: 10 of 200 naps, about ")
    assert said[9].startswith("50 % of the work after 17 min: 100 of 200 naps, about ")
    assert all(line.endswith((")", " left")) for line in said)


def test_a_log_has_a_line_each_quarter_of_an_hour_however_little_of_the_work_is_done():
    said = lines_of(200, 1000.0)
    assert len(said) == 199
    assert said[1].startswith("1 % of the work after 33 min: 2 of 200 naps")
    lasting = lines_of(40, 100.0)
    assert len(lasting) == 19, "a line for each twentieth starts the quarter anew"


def test_nothing_is_said_in_the_first_minute_nor_in_a_run_of_minutes():
    assert lines_of(200, 0.2) == []
    assert lines_of(200, 1.0) == []
    first = lines_of(1000, 1.0)[0]
    assert first.startswith(("6 % of the work", "5 % of the work after 1 min"))


def test_a_resumed_run_goes_on_where_it_was():
    said = lines_of(200, 10.0, known=100)
    assert said[0].startswith("55 % of the work after 2 min: 110 of 200 naps")
    assert len(said) == 9


def test_words_count_those_that_run_and_are_done():
    watch = Watch(jobs(30), range(30), "naps", Clock())
    assert watch.in_words() == "0 of 30 naps"
    watch.begun([0, 1], 2)
    assert watch.in_words() == "0 of 30 naps, 2 running"
    watch.ended(0, 10.0)
    watch.ended(1, None)
    assert watch.in_words() == "2 of 30 naps"


class Ahead(Simulated):
    """Is given two jobs for each worker, and does them in the order in which it got them."""

    def __init__(self, workers):
        super().__init__(workers, 10**9, None)

    def slots(self):
        return 2 * self.workers()


def test_jobs_that_wait_at_their_place_do_not_run(monkeypatch):
    """Of a cluster whose workers are given jobs ahead it is said how many run, and how long all
    take, by its workers.
    """
    monkeypatch.setattr("verify.runner.running.wait", wait)
    monkeypatch.setattr("verify.runner.long_work._place", lambda *given: nullcontext(Ahead(3)))
    heard = []
    monkeypatch.setattr(Watch, "begun", lambda watch, *said: heard.append(said))
    names = ("workers", "dask", "memory", "journal", "own", "words")
    options = Namespace(**dict.fromkeys(names), part=(1, 1), order="listed")
    options.own = options.words = []
    assert run(NAPS, range(9), options, "naps").results == list(range(9))
    assert heard == [(list(range(n, min(n + 3, 9))), 3) for n in range(9)]


def test_no_bar_is_drawn_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    with watched(jobs(3), range(3), "naps") as (watch, show_progress):
        for job in range(3):
            watch.begun([job], 1)
            watch.ended(job, 10.0)
            show_progress()
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_terminal_gets_a_bar_of_jobs(tmp_path, workers):
    cell = Cell("selector", 3, 2)
    save(build(cell.entry, cell.table()), tmp_path / "model")
    words = ["attack", str(tmp_path / "model"), "-n", "30", "--workers", workers]
    printed, status = on_a_terminal(*words)
    assert status == 0
    assert "of 6 series of attacks" in printed
    assert "━" in printed
    if workers == "1":
        assert ", 1 running" in printed


def test_a_terminal_sees_that_a_basis_is_fitted():
    """It takes half a minute of a model of 64 subjects, in which nothing else would be seen."""
    printed, status = on_a_terminal("show", "selector", "-N", "6", "-R", "2", "--fitted")
    assert status == 0
    assert "fitting a basis at every point of the stream" in printed
