"""The searches of `verify compare`, as jobs of the runner: one memory of one work each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from verify.learned.experiments.training import one_thread
from verify.rivals.all import ALL
from verify.rivals.limit import LEVELS, queries_of
from verify.rivals.memory import Memory
from verify.rivals.scored import Scored, score
from verify.rivals.work import Work
from verify.runner.job import Cost, Kind
from verify.runner.outcome import Lost

SECONDS_A_LOGIT = 2e-6
"""Of all sizes that are tried, roughly, on one core."""


@dataclass(frozen=True)
class Search:
    """A job: the search for the smallest sizes of a memory that recall a work.

    Attributes:
        memory: a name in `verify.rivals.all.ALL`.
        work: what it is to recall.
    """

    memory: str
    work: Work


def searches(
    works: Sequence[Work], seeds: Sequence[int], memories: Sequence[Memory]
) -> list[Search]:
    """The jobs of these works: each memory that takes the work, and each seed."""
    return [
        Search(memory.name, replace(work, seed=seed))
        for work in works
        for memory in memories
        if not memory.lacks(work)
        for seed in seeds
    ]


def run(one: Search) -> Scored:
    """Search the smallest sizes of a memory; in one thread, so that the same machine gives the
    same numbers.
    """
    with one_thread():
        return score(ALL[one.memory], one.work)


def describe(one: Search) -> dict[str, Any]:
    """All that decides what is found."""
    return {"memory": one.memory, "levels": list(LEVELS), "work": asdict(one.work)}


def cost(one: Search) -> Cost:
    """A rough estimate of the time and of the memory."""
    logits = queries_of(one.work) * one.work.n_entities
    return Cost(1.0 + SECONDS_A_LOGIT * logits, 3 * 10**8 + 100 * min(logits, 2**24))


def lost(one: Search, why: Lost) -> Scored:
    """Nothing was found, and why."""
    return Scored(one.memory, one.work, lost=str(why))


def group(one: Search) -> str:
    """The same memory."""
    return one.memory


SEARCHES = Kind("compare", Scored, run, describe, cost, lost, group)
"""The search for the smallest sizes of a memory."""
