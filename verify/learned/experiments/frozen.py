"""The control of Appendix D: with embeddings frozen at random the MLP must store the facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
from verify.learned.experiments.points import OneHop, Point, Table
from verify.learned.experiments.thresholds import MARKERS, SHARE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

D, R = 12, 4
TABLES: dict[str, tuple[Table, ...]] = {
    "none": (),
    "rows of subjects": ("entities",),
    "all tables": ("entities", "relations", "answers"),
}
"""Which are frozen, by name."""
WIDTHS = (4, 8, 16, 32, 64, 128)


def points(full: bool) -> list[Point]:
    """One for each width, frozen tables and N."""
    sizes = (32, 64, 128) if full else (32, 64)
    widths = (*WIDTHS, 256, 512) if full else WIDTHS
    return [
        OneHop(1, n, R, D, width, frozen=tables, steps=2000 if full else 1500)
        for n in sizes
        for tables in TABLES.values()
        for width in widths
    ]


def least_width(found: Sequence[Found], size: int, tables: tuple[Table, ...]) -> int | None:
    """The least width from which on all seeds recall 99 %; None if the largest does not."""
    least = None
    for one in sorted(_of(found, size, tables), key=_width, reverse=True):
        if not one.reaches(SHARE):
            break
        least = _width(one)
    return least


def _of(found: Sequence[Found], size: int, tables: tuple[Table, ...]) -> list[Found]:
    """The points of this size with these tables frozen."""
    return [one for one in found if (one.one_hop.size, one.one_hop.frozen) == (size, tables)]


def _width(one: Found) -> int:
    """Hidden units."""
    return one.one_hop.d_mlp


def _sizes(found: Sequence[Found]) -> list[int]:
    """All N."""
    return list(dict.fromkeys(one.one_hop.size for one in found))


def table(found: Sequence[Found]) -> list[str]:
    """A line for each N: the least width by what is frozen, and the recall by width."""
    widths = sorted({_width(one) for one in found})
    lines = [f"{'N':>4}  {'frozen':18}{'99 % from':>10}" + "".join(f"{w:>7}" for w in widths)]
    for size in _sizes(found):
        for name, tables in TABLES.items():
            there = sorted(_of(found, size, tables), key=_width)
            least = least_width(found, size, tables)
            shown = f"> {widths[-1]}" if least is None else f"{least}"
            cells = "".join(
                f"{'lost' if one.lost else f'{one.mean_recall:.3f}':>7}" for one in there
            )
            lines.append(f"{size:>4}  {name:18}{shown:>10}{cells}")
    return lines


def draw(axes: Axes, found: Sequence[Found]) -> None:
    """Recall against width."""
    for place, size in enumerate(_sizes(found)):
        for colour, (name, tables) in enumerate(TABLES.items()):
            there = [one for one in sorted(_of(found, size, tables), key=_width) if not one.lost]
            axes.plot(
                [_width(one) for one in there],
                [one.mean_recall for one in there],
                marker=MARKERS[place],
                color=f"C{colour}",
                label=f"N = {size}, frozen: {name}",
            )
    axes.axhline(SHARE, color="0.6", linewidth=0.8)
    axes.set_xscale("log", base=2)
    widths = sorted({_width(one) for one in found})
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.set(xlabel="hidden units", ylabel="recall, mean of the seeds", ylim=(0, 1.03))
    axes.legend(fontsize=7)


FROZEN = Experiment(
    title="Frozen embeddings: the control of Appendix D",
    question=(
        f"d = {D}, R = {R}: how wide must the MLP be for 99 % where the embeddings of subjects,"
        " relations and answers are frozen at random, and where they are learned? Claim (v) of the"
        " paper: frozen, the capacity is far lower. Freezing the rows of subjects alone is a weak"
        " control: the unembedding takes over."
    ),
    points=points,
    table=table,
    expectations=(
        Expectation(
            "learned embeddings need at most 8 units at N = 32 and 64; all tables frozen, four"
            " times as many at least",
            "a larger width, or less than four times as many",
            lambda found: all(
                (learned := least_width(found, n, ())) is not None
                and learned <= 8
                and (
                    (least := least_width(found, n, TABLES["all tables"])) is None
                    or least >= 4 * learned
                )
                for n in (32, 64)
            ),
        ),
        Expectation(
            "all tables frozen, N = 64 needs more units than N = 32",
            "as many or fewer",
            lambda found: (
                (small := least_width(found, 32, TABLES["all tables"])) is not None
                and (
                    (large := least_width(found, 64, TABLES["all tables"])) is None
                    or large > small
                )
            ),
        ),
    ),
    draw=draw,
)
