"""The time left of a run, as it would have been said, against what it then took.

    python benchmarks/time_left.py all.journal

Reads a journal of `verify all`, and plays its jobs through as they began and ended; time in which
none ran, between two runs, is left out. Shown is, after some shares of the time: what was left, as
it turned out; what `verify.runner.remaining` says of it; and, to compare, what one would say who
takes every job for as long as those that are done.
"""

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from verify.cells.cost import cost
from verify.cells.jobs import described, group
from verify.runner.durations import about
from verify.runner.remaining import Remaining

SHARES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)


class Finished(NamedTuple):
    """A job: its seconds, estimated and true, its group, and the moments when it began and ended,
    in seconds.
    """

    estimated: float
    seconds: float
    group: str
    begun: float
    ended: float


def finished(path: Path) -> list[Finished]:
    """All cells that are done, in the order in which they began."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "done" in entry and entry["kind"] == "cell":
            cell, seconds = described(entry["what"]), entry["seconds"]
            ended = datetime.fromisoformat(entry["when"]).timestamp()
            found[entry["done"]] = Finished(
                cost(cell).seconds, seconds, group(cell), ended - seconds, ended
            )
    return sorted(found.values(), key=lambda job: job.begun)


def running_time(jobs: list[Finished]) -> Callable[[float], float]:
    """How long some job or other has run until a moment."""
    spans: list[list[float]] = []
    for job in jobs:
        if spans and job.begun <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], job.ended)
        else:
            spans.append([job.begun, job.ended])
    return lambda now: sum(max(0.0, min(now, end) - begin) for begin, end in spans)


def most_at_once(jobs: list[Finished]) -> int:
    """How many jobs ran at the same time, at most."""
    changes = sorted(
        [(job.begun + 1e-3, 1) for job in jobs] + [(job.ended, -1) for job in jobs],
    )
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("journal", type=Path, metavar="JOURNAL")
    parser.add_argument("--workers", type=int, help="by default the most jobs that ran at once")
    options = parser.parse_args()
    jobs = finished(options.journal)
    workers = options.workers or most_at_once(jobs)
    passed = running_time(jobs)
    begins = [passed(job.begun) for job in jobs]
    ends = [passed(job.ended) for job in jobs]
    total = max(ends)
    print(f"{len(jobs):,} cells in {about(total)}, {workers} at a time at most")
    print(f"{'after':>6} {'left':>13}   {'said':52} by counting jobs")
    for share in SHARES:
        now, left = share * total, (1 - share) * total
        remaining = Remaining([job.estimated for job in jobs], [job.group for job in jobs])
        done = sorted((at for at in range(len(jobs)) if ends[at] <= now), key=ends.__getitem__)
        remaining.begun([0], 0.0)
        for at in done:
            remaining.done(at, jobs[at].seconds)
        for at in range(len(jobs)):
            if begins[at] <= now < ends[at]:
                remaining.begun([*remaining.running, at], begins[at])
        said = str(remaining.left(workers, now) or "nothing")
        counted = now * (len(jobs) - len(done)) / max(1, len(done))
        print(f"{share:6.0%} {about(left):>13}   {said:52} {about(counted)}")


if __name__ == "__main__":
    main()
