"""One memory of one work: its smallest sizes, and what it needs to recall so much.

For each level, all facts, 99 % and 90 % of them, the smallest size is searched
(`verify.rivals.smallest`). Every size is asked every fact by `verify.learned.answered.Answered`,
the same code for all memories. What is stored, the parameters, is then rounded as coarsely as
still recalls so much (`verify.rivals.coarsest`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from verify.learned.answered import Answered, Prompts, Score
from verify.rivals.coarsest import Rounded
from verify.rivals.limit import LEVELS, limit, wrong_of
from verify.rivals.memory import Built, Memory
from verify.rivals.prompts import prompts_of
from verify.rivals.smallest import Curve
from verify.rivals.work import Work


@dataclass(frozen=True)
class Level:
    """The smallest memory that recalls so much.

    Attributes:
        percent: of the facts that were to be recalled.
        limit: the least bits with which that is possible.
        size: of all that were tried; None where none suffices, and then all else is 0.
        failed_above: larger sizes that were tried and recall less.
        dimension, width: of the memory.
        right: how many facts it recalls, in float32 as it was built.
        margin: the least distance of an answer's logit to the next, negative where one is wrong.
        stored: numbers that depend on the facts.
        given: numbers that do not: random embeddings and the like.
        inside: all numbers but those of embeddings and unembedding, stored or given.
        precision: bits of a stored number, the most of all tensors.
        rounded: whether the numbers were rounded to these; False where 16 bits are too few, and
            they are kept as they are.
        bits: all that names the memory: stored numbers, their grids, precision, and sizes.
    """

    percent: int
    limit: float
    size: int | None = None
    failed_above: tuple[int, ...] = ()
    dimension: int = 0
    width: int = 0
    right: int = 0
    margin: float = 0.0
    stored: int = 0
    given: int = 0
    inside: int = 0
    precision: int = 0
    rounded: bool = False
    bits: int = 0

    @property
    def is_below(self) -> bool:
        """Whether it needs fewer bits than can be."""
        return self.size is not None and self.bits < self.limit


@dataclass(frozen=True)
class Scored:
    """What was found of a memory and a work.

    Attributes:
        memory: its name.
        work: with its seed.
        queries: how many facts, or paths, were asked for.
        levels: for each of `LEVELS`.
        tried: sizes, and how many facts were recalled with each.
        seconds: of one core, to build the memory of each level.
        lost: why there is nothing; "" if there is something.
    """

    memory: str
    work: Work
    queries: int = 0
    levels: tuple[Level, ...] = ()
    tried: tuple[tuple[int, int], ...] = ()
    seconds: tuple[float, ...] = ()
    lost: str = ""

    @property
    def below(self) -> list[Level]:
        """The levels at which fewer bits are counted than can be: there must be none."""
        return [level for level in self.levels if level.is_below]


@dataclass(frozen=True)
class _Attempt:
    """A memory of one size."""

    size: int
    built: Built
    score: Score
    seconds: float
    rounded: Rounded


class _Attempts:
    """Memories of several sizes, of which the smallest for each level are kept."""

    def __init__(self, memory: Memory, work: Work):
        self._memory, self._work = memory, work
        self._queries: dict[int, Prompts] = {}
        self.kept: dict[int, _Attempt] = {}

    def prompts(self, built: Built) -> Prompts:
        """What a memory is asked, as it answers: at once or token by token."""
        step = built.hops_per_token
        if step not in self._queries:
            self._queries[step] = prompts_of(self._work, step)
        return self._queries[step]

    def right(self, size: int) -> int:
        """How many facts a memory of this size recalls."""
        began = time.process_time()
        built = self._memory.build(self._work, size)
        seconds = time.process_time() - began
        prompts = self.prompts(built)
        answered, rounded = Answered(built.module, prompts), Rounded(built.module, prompts)
        attempt = _Attempt(size, built, answered.score({}), seconds, rounded)
        for level in LEVELS:
            enough = answered.n_queries - wrong_of(self._work, level)
            kept = self.kept.get(level)
            if attempt.score.right >= enough and (kept is None or size < kept.size):
                self.kept[level] = attempt
        return attempt.score.right


def score(memory: Memory, work: Work) -> Scored:
    """Search the smallest sizes of a memory, and measure it there.

    Raises:
        InputError: the memory does not take this work, or cannot be built.
    """
    attempts = _Attempts(memory, work)
    least, most = memory.sizes(work)
    curve = Curve(attempts.right, least, most)
    queries = len(prompts_of(work).tokens)
    named = (most - least).bit_length()
    levels, seconds = [], []
    for level in LEVELS:
        wanted = queries - wrong_of(work, level)
        curve.smallest(wanted)
        attempt = attempts.kept.get(level)
        if attempt is None:
            levels.append(Level(level, limit(work, level)))
            seconds.append(0.0)
            continue
        above = tuple(curve.not_enough_above(wanted))
        levels.append(_level(level, work, attempt, above, named))
        seconds.append(attempt.seconds)
    tried = tuple(sorted(curve.tried.items()))
    return Scored(memory.name, work, queries, tuple(levels), tried, tuple(seconds))


def _level(
    percent: int,
    work: Work,
    attempt: _Attempt,
    failed_above: tuple[int, ...],
    size_bits: int,
) -> Level:
    """What stands in the table of a memory at a level."""
    built, score = attempt.built, attempt.score
    coarsest = attempt.rounded.coarsest(wrong_of(work, percent))
    return Level(
        percent,
        limit(work, percent),
        attempt.size,
        failed_above,
        built.dimension,
        built.width,
        score.right,
        score.margin,
        built.n_stored,
        built.n_numbers() - built.n_stored,
        built.n_numbers(with_embeddings=False),
        coarsest.precision,
        coarsest.rounded,
        coarsest.bits + size_bits + built.chosen_bits,
    )
