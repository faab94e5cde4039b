"""What was found of all memories of one work, over the seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from verify.rivals.limit import queries_of
from verify.rivals.memory import Memory
from verify.rivals.scored import Level, Scored
from verify.rivals.work import Work


@dataclass(frozen=True)
class Row:
    """A memory.

    Attributes:
        memory: which.
        lacks: why it does not take the work; "" where it does.
        found: what was found of the seeds that are done, in their order; those that were lost are
            among them.
    """

    memory: Memory
    lacks: str
    found: tuple[Scored, ...]

    def levels(self, percent: int) -> list[Level]:
        """What was found at a level, of each seed that was not lost."""
        return [level for one in self.found for level in one.levels if level.percent == percent]

    def seconds(self, percent: int) -> list[float]:
        """How long building took, of each seed where so much is recalled."""
        return [
            seconds
            for one in self.found
            for level, seconds in zip(one.levels, one.seconds, strict=True)
            if level.percent == percent and level.size is not None
        ]


@dataclass(frozen=True)
class Compared:
    """A work, and every memory of it.

    Attributes:
        work: with the first of the seeds.
        seeds: of the facts.
        rows: for each memory, in the order of the list.
    """

    work: Work
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def queries(self) -> int:
        """How many facts, or paths, each memory is asked for."""
        return queries_of(self.work)

    def below(self) -> Iterator[tuple[Scored, Level]]:
        """What lies below the information limit: there must be none."""
        for row in self.rows:
            for one in row.found:
                yield from ((one, level) for level in one.below)

    def lost(self) -> list[Scored]:
        """What was not measured."""
        return [one for row in self.rows for one in row.found if one.lost]

    def left(self) -> int:
        """How many jobs were not run."""
        return sum(len(self.seeds) - len(row.found) for row in self.rows if not row.lacks)


def compared(
    work: Work, seeds: Sequence[int], memories: Sequence[Memory], found: Sequence[Scored]
) -> Compared:
    """All that was found of a work, whatever its seed, in the order of the memories and seeds."""
    known = {(one.memory, one.work): one for one in found}
    rows = []
    for memory in memories:
        seeded = [replace(work, seed=seed) for seed in seeds]
        these = [known[memory.name, one] for one in seeded if (memory.name, one) in known]
        rows.append(Row(memory, memory.lacks(work), tuple(these)))
    return Compared(replace(work, seed=seeds[0]), tuple(seeds), tuple(rows))
