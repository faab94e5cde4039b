"""Journals of a few cells."""

from verify.__main__ import main
from verify.cells.cell import Cell
from verify.cells.jobs import CELLS
from verify.runner.code_version import code_version
from verify.runner.job import Job
from verify.runner.journal import opened
from verify.runner.outcome import Done, Lost

GRID = [
    Cell("selector", 5, 2),
    Cell("hybrid", 5, 3, 2, options=(("looked_up", 1),)),
    Cell("selector", 3, 2, form="basis"),
    Cell("key_value", 5, 2, 2, facts="partial"),
    Cell("selector", 5, 2, 2),  # which is refused: UNKNOWN
]
PASSING = GRID[:4]


def printed(capsys, *words):
    """The exit status, and what is printed."""
    status = main(list(words))
    found = capsys.readouterr()
    return status, found.out.splitlines(), found.err.splitlines()


def cells_journal(path, cells, done=None, lost=(), crashed=False):
    """A journal of cells, of which some are done and some were lost."""
    jobs = [Job(CELLS, cell, code_version()) for cell in cells]
    with opened(path) as book:
        book.begin(["all"], "cell", code_version(), [job.key for job in jobs], len(jobs))
        for job in jobs:
            if job.argument in lost:
                book.note_lost(job, Lost("its process was ended by SIGKILL", crashed))
            elif done is None or job.argument in done:
                book.note_done(job, Done(CELLS.run(job.argument), 1.0, 2**20, "here"))
    return str(path)
