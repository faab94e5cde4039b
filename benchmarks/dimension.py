"""Dimension against precision: what one hop needs, and what the constructions have.

    python benchmarks/dimension.py                                        # N = 4,096, R = 4
    python benchmarks/dimension.py -N 65536 -R 8
    python benchmarks/dimension.py --plot docs/dimension-and-precision.svg

A line for each construction whose facts all stand in the embedding, and for each number of bits
that a coordinate of an entity may hold: `d_model`, the least one that Theorem 4.2 leaves
(Proposition 7), the bits of an entry of E and of U, and the narrowest dtype that holds it exactly.
`least_selector` is docs/least_selector.py. With --plot the same as a picture (needs matplotlib).
"""

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import torch

from bounds.dimension import least_dimension
from bounds.sizes import predicted_for_bijections
from constructions import CATALOGUE, DoesNotFit, construction
from constructions.facts.codes import bits_needed
from constructions.files.whole_file import write_atomically

LEAST = construction(f"{Path(__file__).resolve().parents[1] / 'docs' / 'least_selector.py'}:mine")
STYLES = {
    "attention_selector": ("#7570b3", "D"),
    "selector": ("#d95f02", "s"),
    "digit_selector": ("#1f77b4", "o"),
    "scalar_selector": ("#e7298a", "^"),
    "least_selector": ("#1b9e77", "*"),
}


@dataclass(frozen=True)
class Point:
    """A construction with so many bits in a coordinate; `dtype` is empty where none holds it."""

    name: str
    bits: int
    d_model: int
    least: int
    embedding_entry: int
    unembedding_entry: int
    dtype: str


def points(entities: int, relations: int) -> list[Point]:
    """Of all constructions, in the order of the bits that a coordinate holds."""
    m = bits_needed(entities)
    digit = [CATALOGUE["digit_selector"], *([LEAST] if relations > 1 else [])]
    one = {"attention_selector": 1, "selector": 1, "scalar_selector": m}
    chosen = [(CATALOGUE[name], bits, {}) for name, bits in one.items()]
    chosen += [
        (entry, bits, {"bits_per_coordinate": bits})
        for entry in digit
        for bits in range(1 if entry is LEAST else 2, m + (entry is LEAST))
    ]
    found = [_point(entry, bits, given, entities, relations) for entry, bits, given in chosen]
    return sorted(found, key=lambda point: (point.bits, -point.d_model))


def _point(entry, bits, given, entities, relations) -> Point:
    """One construction, built to see which dtype holds it."""
    costs = predicted_for_bijections(entry, entities, relations, 1, given)
    d, facts, dtype = costs.d_model, entry.random_facts(entities, relations, 0), ""
    for wider in (torch.float64, torch.float32, torch.bfloat16):
        try:
            entry.build(facts, 1, given, dtype=wider)
        except DoesNotFit:
            break
        dtype = str(wider).removeprefix("torch.")
    entries = costs.embedding_bits // d, costs.unembedding_bits // d
    return Point(entry.name, bits, d, least_dimension(entities, relations, bits), *entries, dtype)


def draw(found: list[Point], entities: int, relations: int, path: Path) -> None:
    """The constructions as points over the bound, hollow where no dtype holds them exactly."""
    import matplotlib
    from matplotlib.figure import Figure

    m = bits_needed(entities)
    settings = {"svg.hashsalt": "dimension", "svg.fonttype": "path", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = figure.add_subplot()
        at = range(1, 2 * m + 1)
        least = [least_dimension(entities, relations, p) for p in at]
        axes.plot(at, least, color="black", linewidth=1.2, label="least, by Theorem 4.2", zorder=2)
        axes.fill_between(at, least, 1, color="black", alpha=0.07, linewidth=0)
        for name, (color, marker) in STYLES.items():
            mine = [point for point in found if point.name == name]
            for exact, face in ((True, color), (False, "none")):
                some = [point for point in mine if bool(point.dtype) == exact]
                axes.scatter(
                    [point.bits for point in some],
                    [point.d_model for point in some],
                    s=60 if marker == "*" else 24,
                    marker=marker,
                    facecolors=face,
                    edgecolors=color,
                    linewidths=0.8,
                    label=name if exact and some else None,
                    zorder=3 if marker == "*" else 4,
                )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_ylim(bottom=max(1, relations // 4))
        axes.set_xlim(0.9, 2 * m)
        axes.set_xlabel("$p$: bits that a coordinate of an entity may hold")
        axes.set_ylabel("d_model")
        axes.set_title(
            f"one hop, N = {entities:,}, R = {relations:,}, facts in the embedding alone:"
            " nothing lies in the grey"
        )
        axes.grid(alpha=0.25, linewidth=0.5)
        axes.legend(frameon=False, fontsize=8)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    write_atomically(path, iter([text.getvalue()]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-N", type=int, default=4096)
    parser.add_argument("-R", type=int, default=4)
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    options = parser.parse_args()
    found = points(options.N, options.R)
    print(f"N = {options.N:,}, R = {options.R:,}, one hop; p: bits in a coordinate of an entity")
    print(f"{'p':>3} {'construction':20} {'d_model':>8} {'least':>8} {'E':>4} {'U':>4}  exact in")
    for point in found:
        print(
            f"{point.bits:3} {point.name:20} {point.d_model:8,} {point.least:8,}"
            f" {point.embedding_entry:4} {point.unembedding_entry:4}  {point.dtype or 'none'}"
        )
    if options.plot is not None:
        draw(found, options.N, options.R, options.plot)
        print(f"drawn: {options.plot.name}")


if __name__ == "__main__":
    main()
