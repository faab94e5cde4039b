"""Small jobs, and journals of them. Run it to write one, line after line, until it is ended:

python tests/journals.py FILE
"""

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

from verify.runner.contents import read
from verify.runner.job import Cost, Job, Kind
from verify.runner.journal import opened
from verify.runner.merged import Merged
from verify.runner.outcome import Done, Lost

CODE = "0123456789abcdef"


@dataclass(frozen=True)
class Square:
    """What a small job finds."""

    of: int
    square: int
    seconds: float = 0.0
    verdict: str = "PASS"


def squared(number):
    return Square(number, number**2)


SQUARE = Kind(
    "square",
    Square,
    squared,
    lambda number: {"number": number},
    lambda number: Cost(0.0, 0),
    lambda number, lost: Square(number, -1, verdict="UNKNOWN"),
)


def job(number, code=CODE):
    return Job(SQUARE, number, code)


def keys(numbers, code=CODE):
    return [job(number, code).key for number in numbers]


def done(number, seconds=1.5, **others):
    return Done(Square(number, number**2, seconds, **others), seconds, 2**20, "here")


def write(path, numbers=(), lost=(), plan=None, code=CODE, **others):
    """Add a run to a journal; `others` are passed to the results."""
    numbers = list(numbers)
    planned = [*numbers, *lost] if plan is None else list(plan)
    with opened(path) as journal:
        journal.begin(["square", "them"], "square", code, keys(planned, code), len(planned))
        for number in numbers:
            journal.note_done(job(number, code), done(number, **others))
        for number in lost:
            journal.note_lost(job(number, code), Lost("its process ended", crashed=True))
    return path


def whole_lines(path):
    return path.read_bytes().splitlines(keepends=True)


def found(path):
    """The squares that stand in a journal, by number."""
    results = Merged([read(path)]).done.values()
    return {one.said()["what"]["number"]: one.said()["result"]["square"] for one in results}


if __name__ == "__main__":
    with opened(Path(sys.argv[1])) as endless:
        endless.begin(["square", "for ever"], "square", CODE, keys(range(100)), 100)
        for number in itertools.count(endless.saved):
            endless.note_done(job(number), done(number))
            print(number, flush=True)
