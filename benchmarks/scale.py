"""Long work on more workers: the speed-up from 1 to 2 measured, and a model of more.

    python benchmarks/scale.py                       measures, and says what the model expects
    python benchmarks/scale.py --journal all.journal expects it of the jobs of that run, as they
                                                     were timed

Measured: every 8th cell of the default grid in this process, with one worker and with two, in
turns, so that all of them meet the same disturbances; and what the runner itself needs for a job,
from many that do nothing, each written to a journal and flushed to the disk.

The model: a worker begins after START seconds, takes the next job when it is free, and the runner
hands over one job at a time, in HAND seconds. So no number of workers takes less than START + the
longest job, or than HAND for each job. That memory, caches and disk are shared is not in it.
"""

import argparse
import heapq
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from verify.runner.job import Cost, Kind
from verify.runner.long_work import Settings, planned, work

WORKERS = (1, 2, 4, 8, 16, 32, 64)
EMPTY_JOBS = 2000


def expected(seconds, workers, start, hand, order):
    """Seconds that a run takes by the model: jobs of these seconds, in their order or the longest
    first.
    """
    free = [start] * min(workers, max(1, len(seconds)))
    runner = end = 0.0
    for job in sorted(seconds, reverse=True) if order == "longest" else seconds:
        runner = max(runner, heapq.heappop(free)) + hand
        heapq.heappush(free, runner + job)
        end = max(end, runner + job)
    return end


@dataclass(frozen=True)
class Nothing:
    """What a job that takes no time has found."""

    number: int


EMPTY = Kind("nothing", Nothing, Nothing, lambda n: {"n": n}, lambda n: Cost(0, 0), None)


def run(kind, arguments, workers, journal=None):
    """Wall seconds of a run, and the results."""
    settings = Settings(workers=workers, journal=journal)
    started = time.perf_counter()
    found = dict(work(planned(kind, arguments, settings), settings))
    return time.perf_counter() - started, list(found.values())


def measured(repeat):
    """What the runs took: by number of workers, the seconds of each run, and of all its jobs."""
    from verify.cells.grid import default_grid
    from verify.cells.jobs import CELLS

    cells = default_grid()[::8]
    took = {workers: [] for workers in (0, 1, 2)}
    for _ in range(repeat):
        for workers in took:
            wall, results = run(CELLS, cells, workers)
            assert all(result.verdict in ("PASS", "UNKNOWN") for result in results)
            took[workers].append((wall, sum(result.seconds for result in results)))
    return len(cells), took


def of_journal(path):
    """The seconds of all jobs that a journal holds."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["seconds"] for line in lines if line.startswith('{"done":')]


def hand_over():
    """Seconds of the runner for each job."""
    with tempfile.TemporaryDirectory() as folder:
        first, _ = run(EMPTY, range(1), 1, Path(folder) / "first.journal")
        all_of_them, _ = run(EMPTY, range(EMPTY_JOBS), 1, Path(folder) / "all.journal")
    return (all_of_them - first) / (EMPTY_JOBS - 1)


def table(seconds, start, hand):
    """What the model expects, a line for each number of workers."""
    print(
        f"{len(seconds):,} jobs, {sum(seconds):,.0f} s in all, the longest {max(seconds):,.1f} s"
    )
    print(f"{'workers':>7}{'listed s':>12}{'speed-up':>10}{'longest first s':>17}{'speed-up':>10}")
    alone = expected(seconds, 1, start, hand, "listed")
    for workers in WORKERS:
        listed, longest = (
            expected(seconds, workers, start, hand, order) for order in ("listed", "longest")
        )
        print(
            f"{workers:>7}{listed:>12,.1f}{alone / listed:>10.1f}{longest:>17,.1f}"
            f"{alone / longest:>10.1f}"
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3, help="runs of each")
    parser.add_argument("--journal", help="of a run whose jobs the model is about")
    options = parser.parse_args()
    hand = hand_over()
    n, took = measured(options.repeat)
    print(f"{n} cells, the medians of {options.repeat} runs in turns; HAND = {1000 * hand:.1f} ms")
    print(f"{'workers':>7}{'wall s':>9}{'from':>8}{'to':>8}{'jobs s':>9}{'speed-up':>10}")
    walls = {
        workers: statistics.median(wall for wall, _ in runs) for workers, runs in took.items()
    }
    jobs = {
        workers: statistics.median(inside for _, inside in runs) for workers, runs in took.items()
    }
    for workers, runs in took.items():
        least, most = min(runs)[0], max(runs)[0]
        print(
            f"{workers or 'none':>7}{walls[workers]:>9.1f}{least:>8.1f}{most:>8.1f}"
            f"{jobs[workers]:>9.1f}{walls[1] / walls[workers]:>10.2f}"
        )
    start = max(0.0, walls[1] - jobs[1] - n * hand)
    print(
        f"START = {start:.1f} s; in their jobs two workers take {jobs[2] / jobs[1]:.2f} times the"
        " seconds of one"
    )
    if options.journal:
        seconds = of_journal(options.journal)
    else:
        from verify.cells.cost import cost
        from verify.cells.grid import default_grid, forms_grid

        print("\nthe default grid, by its estimated costs:")
        table([cost(cell).seconds for cell in default_grid()], start, hand)
        print("\nwith --forms:")
        seconds = [cost(cell).seconds for cell in (*default_grid(), *forms_grid())]
    table(seconds, start, hand)


if __name__ == "__main__":
    main()
