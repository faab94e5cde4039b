"""The table and the picture of memories of graphs that were trained."""

import re
from dataclasses import replace

import pytest

from verify.cli.reports.learned_picture import write as draw
from verify.learned.experiments.geometry import GEOMETRY, on_a_graph
from verify.learned.experiments.geometry_table import SMALL
from verify.learned.experiments.training import run
from verify.learned.geometry.graphs import cycle
from verify.learned.geometry.on_graph import OnGraph


@pytest.fixture(scope="module")
def found():
    star = OnGraph("path-star", (3, 4), "one-layer", 8, 8, steps=12, seeds=(0, 1))
    return [
        run(one)
        for one in (
            star,
            replace(star, held_out=0.34),
            replace(star, frozen=True),
            replace(star, graph="cycle", sizes=(7,), memory="node2vec"),
            replace(star, graph="cycle", sizes=(7,), memory="linear"),
        )
    ]


def test_a_table_has_a_part_for_each_graph_and_the_energy_along_training(found):
    lines = GEOMETRY.table(found)
    assert max(map(len, lines)) <= 99
    assert [line for line in lines if line.startswith(("path-star", "cycle"))] == [
        "path-star 3 x 4",
        "path-star 3 x 4, 34% of first hops held out",
        "cycle 7",
    ]
    along = lines[lines.index("") :][-2:]
    assert [line.split()[0] for line in along] == ["one-layer,", "one-layer,"]
    assert all("  0: " in line and " 12: " in line for line in along)
    assert GEOMETRY.table([replace(one, lost="no memory", along=None) for one in found])


def test_memories_that_differ_are_called_differently(found):
    """By scale, weight decay and, where nothing else differs, steps."""
    first = found[0]
    star = first.on_graph
    unit = star.d_model**-0.5
    group = [
        replace(first, point=replace(star, initial_scale=scale, weight_decay=decay, steps=steps))
        for scale, decay, steps in (
            (SMALL, 0.0, 12),
            (unit, 0.0, 12),
            (unit, 0.0, 1200),
            (0.5, 0.1, 12),
        )
    ]
    lines = GEOMETRY.table(group)
    assert max(map(len, lines)) <= 99
    labels = [re.split(r"  +", line)[0] for line in lines if line.startswith("one-layer")]
    assert labels == 2 * [
        "one-layer, small, d 8",
        "one-layer, d 8, 12 steps",
        "one-layer, d 8, 1,200 steps",
        "one-layer, scale 0.5, decay 0.1, d 8",
    ]


def test_a_picture_shows_the_embeddings_and_changes_with_them(found, tmp_path):
    pytest.importorskip("matplotlib")
    moved = replace(found[0].along, plane=found[0].along.plane[::-1])
    other = [replace(found[0], along=moved), *found[1:]]
    for name, some in (("a.svg", found), ("b.svg", found), ("c.svg", other)):
        draw([(GEOMETRY, some)], tmp_path / name)
    first, again, changed = ((tmp_path / f"{name}.svg").read_bytes() for name in "abc")
    assert first == again != changed


def test_a_graph_that_is_given_has_the_same_memories():
    experiment = on_a_graph(cycle(7))
    assert not experiment.expectations
    for point in experiment.points(False):
        assert (point.n_nodes, point.queries) == (7, 14)
        assert point.of_seed(0).edges.tolist() == cycle(7).edges.tolist()
