"""Points of experiments with made-up outcomes."""

import numpy as np

from verify.learned.experiments.found import Found
from verify.learned.experiments.known import EXPERIMENTS
from verify.learned.experiments.points import seeded
from verify.learned.geometry.diagonal import NAME as DIAGONAL
from verify.learned.geometry.edge_recall import NAME as RECALL
from verify.learned.geometry.energy import FAR
from verify.learned.geometry.energy import NAME as ENERGY
from verify.learned.geometry.first_hops import NAME as HELD_OUT
from verify.learned.geometry.first_hops import SEEN
from verify.learned.geometry.nearest import LEAVES, NEIGHBOURS
from verify.learned.geometry.on_graph import OnGraph
from verify.learned.measure import Measure
from verify.learned.superposition import NAME as R2

NAMES = {
    "rows": [R2],
    "intervention": ["move", "keep", "both"],
    "transfer": ["zero-step transfer", "transfer after 25 steps"],
    "selection": ["selection"],
    "attention": ["attention to the subject"],
}
GRAPH = (ENERGY, FAR, LEAVES, NEIGHBOURS, RECALL, DIAGONAL, HELD_OUT, SEEN)


def made_up(point, recall, value=0.5, refused=()):
    """An outcome with this recall, and this value of every measure, for every seed."""
    right = tuple(
        int(share * point.queries) for share in np.broadcast_to(recall, len(point.seeds))
    )
    measures = {}
    names = [name for kind in getattr(point, "measured", ()) for name in NAMES[kind]]
    for name in GRAPH if isinstance(point, OnGraph) else names:
        one = Measure(name, value, value / 2, value / 3)
        if name in refused:
            one = Measure.without(name, "it says nothing")
        measures[name] = (one,) * len(point.seeds)
    held = round(getattr(point, "held_out", 0) * 100)
    return Found(
        point,
        right,
        point.queries,
        (100,) * len(point.seeds),
        (held // 2,) * len(point.seeds) if held else (),
        held,
        measures,
        1.0,
    )


def outcome_of(name, full=False, recall=1.0, value=0.5, seeds=(0, 1, 2)):
    """All points of an experiment with made-up outcomes."""
    points = seeded(EXPERIMENTS[name].points(full), seeds)
    return [made_up(point, recall, value) for point in points]
