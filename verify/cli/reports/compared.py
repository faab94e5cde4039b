"""Memories side by side, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from constructions.guards.wording import counted
from verify.cli.output import folded
from verify.rivals.compared import Compared, Row
from verify.rivals.limit import LEVELS, limit
from verify.rivals.scored import Level

HEADER = (
    "memory",
    "%",
    "d",
    "width",
    "stored",
    "inside",
    "given",
    "b",
    "bits",
    "margin",
    "s",
)


def lines(found: Compared) -> Iterator[str]:
    """Head, a line for each memory and level, and what else is to be said."""
    yield from folded(title(found))
    yield from folded(limits(found))
    yield from _aligned(table(found))
    for note in notes(found):
        yield from folded(note)
    yield ""


def table(found: Compared) -> list[tuple[str, ...]]:
    """A row for each memory and level, below one of titles."""
    return [HEADER, *(cells for row in found.rows for cells in _cells(row, found))]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of equal length as lines, a space between the columns: the first left, others right."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        right = [f"{cell:>{width}}" for cell, width in zip(cells, others, strict=True)]
        yield " ".join([f"{name:<{first}}", *right]).rstrip()


def title(found: Compared) -> str:
    """The work."""
    work, seeds = found.work, found.seeds
    asked = "facts" if work.hops == 1 else "paths"
    noise = f", {counted(work.noise_tokens, 'noise token')}" if work.noise_tokens else ""
    return (
        f"N = {work.n_entities:,}, R = {work.n_relations:,}, k = {work.hops:,}: {found.queries:,}"
        f" {asked}, {work.answers} answers{noise}; seeds {', '.join(map(str, seeds))}"
    )


def limits(found: Compared) -> str:
    """The information limit."""
    said = [f"{limit(found.work, level) / found.queries:.3f} for {level} %" for level in LEVELS]
    asked = "fact" if found.work.hops == 1 else "path"
    return f"information limit, bits a {asked}: {', '.join(said)}"


def _cells(row: Row, found: Compared) -> Iterator[tuple[str, ...]]:
    """The lines of a memory; a level that needs what the one before needs has none."""
    if row.lacks or not any(one.levels for one in row.found):
        why = "-" if row.lacks else "lost" if row.found else "not run"
        yield (row.memory.name, why, *([""] * (len(HEADER) - 2)))
        return
    before: tuple[str, ...] = ()
    for percent in LEVELS:
        cells = _numbers(row, percent, found.queries)
        if cells != before:
            yield (row.memory.name if not before else "", str(percent), *cells)
        before = cells


def _numbers(row: Row, percent: int, queries: int) -> tuple[str, ...]:
    """What a level needs: the medians of the seeds, of the dimension the
    least and the largest."""
    levels = [level for level in row.levels(percent) if level.size is not None]
    if not levels:
        return ("none", *([""] * (len(HEADER) - 3)))

    def middle(of_one: Callable[[Level], float]) -> float:
        """The median of a number."""
        return median(of_one(level) for level in levels)

    return (
        _from_to([level.dimension for level in levels]),
        f"{middle(lambda level: level.width):g}",
        short(middle(lambda level: level.stored)),
        short(middle(lambda level: level.inside)),
        short(middle(lambda level: level.given)),
        f"{middle(lambda level: level.precision):g}",
        f"{middle(lambda level: level.bits) / queries:.2f}",
        f"{middle(lambda level: level.margin):.1g}",
        f"{median(row.seconds(percent)):.1g}",
    )


def _from_to(numbers: Sequence[int]) -> str:
    """The least and the largest, or the one that all have."""
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low}-{high}"


def short(number: float) -> str:
    """In three digits: 820, 12.4k, 3.05M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 999.5 * unit / 1000 and number >= 1000:
            return f"{number / unit:.3g}{name}"
    return f"{number:g}"


def notes(found: Compared) -> Iterator[str]:
    """What is wrong first; then what lacks, is lost, or was not monotone."""
    below, rows = list(found.below()), 0
    for one, level in below:
        yield (
            f"ERROR: below the information limit: {one.memory}, seed {one.work.seed},"
            f" {level.percent} %: {level.bits:,} bits where {level.limit:,.0f} are needed: an"
            " error in a count, or facts that are hidden where nothing is counted"
        )
    for row in found.rows:
        rows += sum(level.size is not None for one in row.found for level in one.levels)
        yield from _of_memory(row)
    yield f"{len(below)} of {rows} measured levels lie below the information limit"


def _of_memory(row: Row) -> Iterator[str]:
    """What is to be said of a memory."""
    name = row.memory.name
    if row.lacks:
        yield f"{name}: {row.lacks}"
    for one in row.found:
        if one.lost:
            yield f"{name}, seed {one.work.seed}: lost: {one.lost}"
    measured = [one for one in row.found if not one.lost]
    unreached = {
        percent: sum(level.size is None for level in row.levels(percent)) for percent in LEVELS
    }
    if any(unreached.values()):
        largest = max(size for one in measured for size, _ in one.tried)
        short_of = [one for one in measured if any(level.size is None for level in one.levels)]
        best = max(right / one.queries for one in short_of for _, right in one.tried)
        yield (
            f"{name}: not reached up to size {largest:,}, where at most {best:.2%} are recalled:"
            f" {_shares(unreached, len(measured))}"
        )
    for said, what in (
        ("recall was not monotone in the size", lambda level: bool(level.failed_above)),
        ("16 bits a number are too few, and none is rounded", _is_kept),
    ):
        seen = {percent: sum(map(what, row.levels(percent))) for percent in LEVELS}
        if any(seen.values()):
            yield f"{name}: {said}: {_shares(seen, len(measured))}"


def _is_kept(level: Level) -> bool:
    """Whether its numbers are kept as they are."""
    return level.size is not None and not level.rounded


def _shares(seen: Mapping[int, int], seeds: int) -> str:
    """With how many seeds something is so, by level."""
    said = [f"{percent} %: {count}" for percent, count in seen.items() if count]
    return f"{', '.join(said)} of {counted(seeds, 'seed')}"
