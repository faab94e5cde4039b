"""A run with a journal that is made to be killed: as a program it does jobs that take a moment
each, and prints their results.

    python kill_runs.py JOURNAL WORKERS
"""

import json
import sys
import time
from dataclasses import dataclass

from verify.runner.job import Cost, Kind
from verify.runner.long_work import Settings, planned, work

N_JOBS = 120


@dataclass(frozen=True)
class Roots:
    """What a job finds."""

    number: int
    roots: tuple[float, ...]
    verdict: str = "PASS"


def roots(number):
    """The first roots of a number, after a moment."""
    time.sleep(0.005 + number % 7 / 200)
    return Roots(number, tuple(number ** (1 / n) for n in range(1, 6)))


KIND = Kind(
    "roots",
    Roots,
    roots,
    lambda number: {"number": number},
    lambda number: Cost(number % 7 + 1.0, 0),
    lambda number, why: Roots(number, (), "UNKNOWN"),
)


def results(journal, workers):
    """What all jobs have found."""
    settings = Settings(workers=workers, journal=journal)
    found = dict(work(planned(KIND, range(N_JOBS), settings), settings))
    return [found[number] for number in range(N_JOBS)]


if __name__ == "__main__":
    found = results(sys.argv[1], int(sys.argv[2]))
    print(json.dumps([[one.number, one.roots, one.verdict] for one in found]))
