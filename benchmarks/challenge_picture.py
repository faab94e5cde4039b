"""The picture of docs/challenge.md: gates of one group, and the lines of the readout.

python benchmarks/challenge_picture.py docs/challenge.svg      # needs matplotlib
"""

import argparse

import challenge_weights as ours
import numpy as np

GROUP, LEVEL, LABELS, GROWTH = 8, 5, 8, 0.5


def draw_group(axes, order, title):
    """Units of a group as bars from their level up to the second token's."""
    reach = LEVEL - (order + 0.5)
    units = np.arange(1, GROUP + 1)
    opened = reach > 0
    axes.bar(units[opened], reach[opened], bottom=order[opened] + 0.5, color="C0", width=0.7)
    axes.bar(units[~opened], reach[~opened], bottom=order[~opened] + 0.5, color="0.85", width=0.7)
    axes.scatter(units, order + 0.5, color="black", s=12, zorder=3)
    axes.axhline(LEVEL, color="C1")
    total = reach[opened].sum()
    axes.set(title=f"{title}\nopen bars: {total:g} = {LEVEL}² / 2", xlabel="unit of the group")
    axes.set(xticks=units, ylim=(0, GROUP + 0.2))


def draw_readout(axes):
    """Logits against the signed sum, each label's line, and the highest of them."""
    slopes, offsets = ours.slopes_and_offsets(LABELS, GROWTH)
    s = np.linspace(-LABELS / 2, LABELS / 2, 33)
    lines = slopes[:, None] * s + offsets[:, None]
    axes.plot(s, lines.T, color="0.75", linewidth=0.8)
    for label in range(LABELS):
        middle = label - (LABELS - 1) / 2
        there = np.array([middle - 0.5, middle + 0.5])
        axes.plot(there, slopes[label] * there + offsets[label], color=f"C{label % 2}")
        highest = float(slopes[label] * middle + offsets[label])
        axes.annotate(str(label), (middle, highest + 0.4), ha="center")
    axes.set(title="readout: label u is the highest line\nwithin 1/2 of its number")
    axes.set(xlabel="signed sum of the open units", ylabel="logit", ylim=(-3, 13))


def draw(path):
    import matplotlib
    from matplotlib.figure import Figure

    orders = np.argsort(np.random.default_rng(1).random((2, GROUP)), 1)
    settings = {"svg.hashsalt": "challenge", "svg.fonttype": "path", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(9.6, 3.2), layout="constrained")
        panels = figure.subplots(1, 3)
        for axes, order, name in zip(panels, orders, ("a", "a'"), strict=False):
            draw_group(axes, order, f"first token {name}, second token b")
        panels[0].set_ylabel(f"level (b: {LEVEL}, orange)")
        draw_readout(panels[2])
        figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", metavar="FILE.svg")
    draw(parser.parse_args().path)


if __name__ == "__main__":
    main()
