"""The time left of a run is said honestly: runs are played through, with estimates that are off as
those of real cells were.
"""

import heapq
import json
import math
import random
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from verify.cells.cost import cost
from verify.cells.grid import forms_grid
from verify.cells.jobs import described
from verify.runner.remaining import Estimate, Remaining

SAMPLE = Path(__file__).resolve().parents[2] / "benchmarks" / "measured_cells.jsonl"
JOBS, RUNS = 500, 8
ORDERS = {
    "shuffled": lambda seconds: list(range(len(seconds))),
    "cheapest": lambda seconds: sorted(range(len(seconds)), key=seconds.__getitem__),
    "longest": lambda seconds: sorted(range(len(seconds)), key=lambda job: -seconds[job]),
}


@dataclass
class Run:
    """Jobs: their estimated seconds, groups and true seconds; and when each begins and ends."""

    estimated: list[float]
    groups: list[str]
    true: list[float]
    order: list[int]
    begins: dict[int, float]
    ends: dict[int, float]
    workers: int

    @property
    def end(self):
        return max(self.ends.values())

    def heard_until(self, now, remaining=None):
        """What is known of the run at a time."""
        remaining = remaining or Remaining(self.estimated, self.groups, self.order)
        done = sorted((job for job in self.ends if self.ends[job] <= now), key=self.ends.get)
        remaining.begun([self.order[0]], 0.0)
        for job in done:
            remaining.done(job, self.true[job])
        for job in sorted(self.begins, key=self.begins.get):
            if self.begins[job] <= now < self.ends[job]:
                remaining.begun([*remaining.running, job], self.begins[job])
        return remaining

    def left_at(self, share):
        """What is said after a share of the time, and the truth."""
        now = share * self.end
        return self.heard_until(now).left(self.workers, now), self.end - now

    def counted_at(self, share):
        """The naive estimate: every job takes as long as those that are done."""
        now = share * self.end
        done = sum(end <= now for end in self.ends.values())
        return now * (len(self.ends) - done) / max(1, done)


@cache
def ratios():
    """Measured / estimated of real cells, by construction and form, and by form."""
    found = defaultdict(list)
    for line in SAMPLE.read_text().splitlines():
        entry = json.loads(line)
        cell = described(entry["what"])
        if cell.form:
            ratio = entry["seconds"] / cost(cell).seconds
            found[cell.construction, cell.form].append(ratio)
            found[cell.form].append(ratio)
    return found


@cache
def some_cells():
    """Cells of the grid of forms, and what they are estimated to take."""
    cells = random.Random(1).sample(forms_grid(), 3000)
    return [(cell, seconds) for cell in cells if (seconds := cost(cell).seconds) < 3600]


def played(seed, order="shuffled", workers=1, slower=1.0, jobs=JOBS):
    """A run of random cells."""
    draw = random.Random(seed)
    chosen = draw.sample(some_cells(), jobs)
    estimated = [seconds for _, seconds in chosen]
    groups = [f"{cell.construction} {cell.form}" for cell, _ in chosen]
    known = ratios()
    true = []
    for cell, seconds in chosen:
        alike = known.get((cell.construction, cell.form))
        off = draw.choice(alike if alike and draw.random() < 0.7 else known[cell.form])
        true.append(slower * seconds * off * math.exp(draw.gauss(0, 0.1)))
    return scheduled(estimated, groups, true, ORDERS[order](estimated), workers)


def scheduled(estimated, groups, true, order, workers):
    """Each worker takes the next job when it is free."""
    free, begins, ends = [0.0] * workers, {}, {}
    for job in order:
        begins[job] = heapq.heappop(free)
        ends[job] = begins[job] + true[job]
        heapq.heappush(free, ends[job])
    return Run(estimated, groups, true, order, begins, ends, workers)


def errors(runs, share):
    """Logarithms of said / true, of the naive estimate too, and how often the interval holds; of
    the runs in which something is said; None where that is none.
    """
    ours, naive, held = [], [], []
    for run in runs:
        said, true = run.left_at(share)
        if said is None:
            continue
        ours.append(abs(math.log(max(1.0, said.seconds) / true)))
        naive.append(abs(math.log(max(1.0, run.counted_at(share)) / true)))
        held.append(said.least <= true <= said.most)
    if not ours:
        return None
    return float(np.median(ours)), float(np.median(naive)), float(np.mean(held))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_the_time_left_is_said_well_in_every_order(order, workers):
    runs = [played(seed, order, workers) for seed in range(RUNS)]
    early, half, late = (errors(runs, share) for share in (0.1, 0.5, 0.9))
    assert half[0] < math.log(1.6), "half of the run is left"
    # of the longest first, a tenth of the time may be too early to say anything
    found = [one for one in (early, half, late) if one is not None or one is not early]
    assert np.mean([ours for ours, _, _ in found]) < math.log(1.8)
    assert np.mean([held for _, _, held in found]) >= 0.65


def test_counting_jobs_does_worse():
    """The control: the same tests notice an estimate that takes all jobs for equally long."""
    for order in ORDERS:
        runs = [played(seed, order) for seed in range(RUNS)]
        found = [errors(runs, share) for share in (0.2, 0.5)]
        ours, naive, _ = np.mean(found, axis=0)
        assert naive > 1.5 * ours, order
        if order != "shuffled":
            assert naive > math.log(10)


def test_many_workers_at_the_end_of_which_one_has_a_long_job():
    runs = [played(seed, "longest", workers=64) for seed in range(RUNS)]
    ours, naive, held = errors(runs, 0.3)
    assert ours < naive
    assert ours < math.log(3)
    assert held >= 0.5


def test_a_machine_that_is_slower_than_was_thought_is_noticed():
    runs = [played(seed, workers=2, slower=4.0) for seed in range(RUNS)]
    ours, _, held = errors(runs, 0.5)
    assert ours < math.log(1.6)
    assert held >= 0.6


def test_a_resumed_run_knows_what_it_has_learned():
    """Nothing has been done yet, but all has been learned from the journal: it is said at once."""
    run = played(3, slower=4.0)
    fresh = Remaining(run.estimated, run.groups, run.order)
    for job in run.order[: JOBS // 2]:
        fresh.done(job, run.true[job])
    fresh.begun([run.order[JOBS // 2]], 100.0)
    assert fresh.left(1, 101.0) is None
    said = fresh.left(1, 120.0)
    true = sum(run.true[job] for job in run.order[JOBS // 2 :])
    assert true / 2 < said.seconds < 2 * true


def test_a_job_during_which_the_machine_slept_is_believed_little():
    run = played(5)
    now = 0.5 * run.end
    before = run.heard_until(now).left(1, now)
    remaining = run.heard_until(now)
    remaining.done(run.order[-1], 100_000.0)
    after = remaining.left(1, now)
    assert after.seconds < 1.5 * before.seconds


def test_it_is_never_less_than_the_running_job_will_take():
    estimated = [10.0] * 99 + [10_000.0]
    run = scheduled(estimated, ["one"] * 100, estimated, ORDERS["longest"](estimated), 64)
    said = run.heard_until(100.0).left(64, 100.0)
    assert said.seconds > 5_000
    alone = Remaining(estimated, ["one"] * 100)
    for job in range(99):
        alone.done(job, 10.0)
    alone.begun([99], 0.0)
    assert 5_000 < alone.left(8, 1_000.0).seconds < 20_000


def test_more_workers_take_less_time():
    estimated = [10.0] * 100
    run = scheduled(estimated, ["one"] * 100, estimated, range(100), 1)
    one, four = (run.heard_until(200.0).left(workers, 200.0).seconds for workers in (1, 4))
    assert one / 5 < four < one / 3


def test_a_lost_job_is_not_waited_for():
    remaining = Remaining([1.0] * 20 + [1e6], ["one"] * 21)
    for job in range(20):
        remaining.done(job, 1.0)
    remaining.lost(20)
    remaining.begun([], 0.0)
    assert remaining.left(1, 20.0) == Estimate(0.0, 0.0, 0.0)
    assert remaining.share_done == 1


def test_nothing_is_said_before_there_is_something_to_say():
    remaining = Remaining([1.0] * 100, ["one"] * 100)
    assert remaining.left(1, 1e6) is None
    remaining.begun([0], 0.0)
    assert remaining.left(1, 119.0) is None
    assert remaining.left(1, 121.0) is not None, "so long without a job is worth saying"
    for job in range(20):
        remaining.done(job, 0.1)
    assert remaining.left(1, 3.0) is None
    assert remaining.left(1, 16.0) is not None


def test_between_two_looks_the_clock_goes_on():
    remaining = Remaining([10.0] * 100, ["one"] * 100)
    remaining.begun([0], 0.0)
    for job in range(20):
        remaining.done(job, 10.0)
    first, second = remaining.left(1, 20.0), remaining.left(1, 22.0)
    assert second.seconds == pytest.approx(first.seconds - 2)


def test_an_estimate_in_words():
    said = str(Estimate(7_800, 6_000, 10_200))
    assert said == "about 2 h 10 min left (1 h 40 min to 2 h 50 min)"
    assert str(Estimate(720, 718, 725)) == "about 12 min left"
