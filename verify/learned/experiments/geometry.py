"""Geometric memory: edges of a graph that are memorised as the graph's shape, or looked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
from verify.learned.experiments.geometry_picture import draw
from verify.learned.experiments.geometry_table import SMALL, table
from verify.learned.experiments.measured import value
from verify.learned.experiments.points import Point
from verify.learned.geometry.diagonal import NAME as DIAGONAL
from verify.learned.geometry.energy import FAR
from verify.learned.geometry.energy import NAME as ENERGY
from verify.learned.geometry.first_hops import NAME as HELD_OUT
from verify.learned.geometry.graphs import Graph
from verify.learned.geometry.nearest import LEAVES
from verify.learned.geometry.on_graph import OnGraph

D = 64
ROOMY = 192
"""A dimension in which the centre's 64 neighbours can be recalled where rows are frozen."""
NARROW, WIDE = SMALL, D**-0.5
"""Initial scales: small, and that of rows of length 1."""
NODE2VEC = OnGraph("path-star", (16, 6), "node2vec", D, initial_scale=0.01, rate=0.05, steps=2000)
ONE_LAYER = OnGraph("path-star", (16, 6), "one-layer", D, 64, initial_scale=NARROW, steps=500)
TRANSFORMER = OnGraph("path-star", (16, 6), "transformer", D, 128, initial_scale=WIDE, steps=300)
MEMORIES = (
    NODE2VEC,
    ONE_LAYER,
    replace(ONE_LAYER, initial_scale=WIDE),
    replace(ONE_LAYER, initial_scale=WIDE, weight_decay=10.0),
    replace(ONE_LAYER, initial_scale=WIDE, tied=False),
    replace(ONE_LAYER, initial_scale=WIDE, frozen=True),
    TRANSFORMER,
    replace(TRANSFORMER, frozen=True),
)
"""Of the first graph, a path-star, and of a graph that is given."""
HOPS = replace(
    ONE_LAYER,
    sizes=(64, 5),
    d_mlp=128,
    initial_scale=WIDE,
    weight_decay=1.0,
    steps=600,
    held_out=0.25,
)
FROZEN_HOPS = (
    replace(HOPS, frozen=True),
    replace(HOPS, frozen=True, weight_decay=0.0),
    replace(
        HOPS, frozen=True, weight_decay=0.0, d_model=ROOMY, d_mlp=256, initial_scale=ROOMY**-0.5
    ),
)
FIRST_HOPS = (
    HOPS,
    replace(HOPS, weight_decay=0.0),
    replace(HOPS, tied=False),
    *FROZEN_HOPS,
    replace(HOPS, memory="transformer", steps=400),
    replace(HOPS, memory="transformer", steps=400, frozen=True),
)
"""Whose held-out first hops are asked for."""
FROZEN = OnGraph(
    "path-star", (4, 5), "linear", 32, frozen=True, rate=0.2, warm_up=0, floor=0.1, steps=500
)
LEARNED = replace(FROZEN, frozen=False, rate=0.01)
TINY = (
    FROZEN,
    LEARNED,
    replace(NODE2VEC, sizes=(4, 5)),
    replace(FROZEN, graph="grid", sizes=(4, 4)),
    replace(LEARNED, graph="grid", sizes=(4, 4)),
    replace(NODE2VEC, graph="grid", sizes=(4, 4)),
    replace(FROZEN, graph="cycle", sizes=(15,), d_model=15, rate=10.0, steps=2000),
    replace(LEARNED, graph="cycle", sizes=(15,), d_model=512, floor=1.0, steps=300),
    replace(NODE2VEC, graph="cycle", sizes=(15,)),
)
"""The tiny graphs of Noroozizadeh et al., memorised as in their notebooks, and by Node2Vec."""
IRREGULAR = tuple(
    replace(one, graph="irregular", sizes=(16, 20))
    for one in (NODE2VEC, ONE_LAYER, replace(ONE_LAYER, initial_scale=WIDE, frozen=True))
)
DECAYS, SCALES = (0.0, 0.1, 1.0, 3.0, 10.0), (0.005, NARROW, 0.06, WIDE, 0.5)


def points(full: bool) -> list[Point]:
    """Memories of each graph; given True, those over weight decay and initial scale as well."""
    small: list[Point] = [*MEMORIES, *FIRST_HOPS, *TINY, *IRREGULAR]
    axes = [
        replace(base, weight_decay=decay, initial_scale=scale, tied=tied)
        for base in (ONE_LAYER, HOPS)
        for decay in DECAYS
        for scale in SCALES
        for tied in (True, False)
    ]
    more = [
        *axes,
        *(replace(HOPS, memory="transformer", weight_decay=decay) for decay in DECAYS),
        replace(LEARNED, graph="cycle", sizes=(15,), d_model=512, floor=1.0, steps=10_000),
        replace(ONE_LAYER, sizes=(128, 6)),
        replace(NODE2VEC, sizes=(128, 6), d_model=256),
    ]
    return list(dict.fromkeys([*small, *(more if full else [])]))


def on_a_graph(graph: Graph) -> Experiment:
    """The same memories of a graph of the user's own, of which nothing was expected."""
    edges = tuple((int(a), int(b)) for a, b in graph.edges)
    given: list[Point] = [
        replace(one, graph="given", sizes=(graph.n_nodes,), edges=edges) for one in MEMORIES
    ]
    return replace(
        GEOMETRY,
        title=f"Geometric memory of a graph of {graph.n_nodes} nodes and {len(edges)} edges",
        question="What of the graph is in embeddings, and which edges are recalled?",
        points=lambda full: given,
        expectations=(),
    )


def _of(found: Sequence[Found], point: OnGraph) -> Found | None:
    """What was found at a point, whatever its seeds."""
    return next((one for one in found if replace(one.on_graph, seeds=()) == point), None)


def _all(
    found: Sequence[Found], wanted: Sequence[tuple[OnGraph, str, Callable[[float], bool]]]
) -> bool | None:
    """Whether each measure of each point is as wanted; None if one is not known."""
    held = []
    for point, name, is_so in wanted:
        one = _of(found, point)
        known = None if one is None else value(one, name)
        held.append(None if known is None else is_so(known))
    return None if None in held else all(held)


def _apart(
    found: Sequence[Found], more: OnGraph, less: OnGraph, name: str, by: float
) -> bool | None:
    """Whether a measure of one point is above that of another by so much; None if not known."""
    one, other = _of(found, more), _of(found, less)
    high = None if one is None else value(one, name)
    low = None if other is None else value(other, name)
    return None if high is None or low is None else high - low >= by


def _far_end(found: Sequence[Found], point: OnGraph) -> bool | None:
    """Whether there is as much energy at the far end as at the near one; None if not known."""
    one = _of(found, point)
    near = None if one is None else value(one, ENERGY)
    far = None if one is None else value(one, FAR)
    return None if near is None or far is None else far >= near


def _recalled(found: Sequence[Found], points: Sequence[OnGraph]) -> bool | None:
    """Whether every seed of these points recalls all edges."""
    known = [_of(found, point) for point in points]
    return all(one is not None and bool(one.reaches(1.0)) for one in known)


def _all_of(*parts: bool | None) -> bool | None:
    """Whether all hold; None if one is not known."""
    return None if None in parts else all(parts)


FROZEN_STAR = replace(ONE_LAYER, initial_scale=WIDE, frozen=True)
GEOMETRY = Experiment(
    title="Geometric memory: the shape of a graph",
    question=(
        "Memories of the edges of a graph: do the nodes' embeddings lie in the leading"
        " eigenvectors of the graph's Laplacian, are leaves of a path-star near the first node of"
        " their path, and does a memory answer first hops that were held out? Claims of"
        " Noroozizadeh et al. (arXiv 2510.26745): learned embeddings become geometric, frozen ones"
        " cannot, though both recall the edges."
    ),
    points=points,
    table=table,
    expectations=(
        Expectation(
            "Node2Vec of the path-star: energy at least 0.8, every leaf near its first node",
            "less energy, or less than 0.99 of the leaves in the mean",
            lambda found: _all(
                found,
                [
                    (NODE2VEC, ENERGY, lambda x: x >= 0.8),
                    (NODE2VEC, LEAVES, lambda x: x >= 0.99),
                ],
            ),
        ),
        Expectation(
            "learned and frozen one-layer memories of the path-star recall all edges with every"
            " seed; learned from a small scale energy is at least 0.5 and leaves 0.9, frozen at"
            " most 0.25 and 0.2 (chance 0.19, 0.06)",
            "an edge that is not recalled, or another energy or share",
            lambda found: _all_of(
                _recalled(found, (ONE_LAYER, FROZEN_STAR)),
                _all(
                    found,
                    [
                        (ONE_LAYER, ENERGY, lambda x: x >= 0.5),
                        (ONE_LAYER, LEAVES, lambda x: x >= 0.9),
                        (FROZEN_STAR, ENERGY, lambda x: x <= 0.25),
                        (FROZEN_STAR, LEAVES, lambda x: x <= 0.2),
                    ],
                ),
            ),
        ),
        Expectation(
            "a small initial scale makes the tied one-layer memory more geometric: energy above"
            " that of rows of length 1 by 0.1 at least, leaves by 0.4",
            "a smaller difference",
            lambda found: _all_of(
                _apart(found, ONE_LAYER, MEMORIES[2], ENERGY, 0.1),
                _apart(found, ONE_LAYER, MEMORIES[2], LEAVES, 0.4),
            ),
        ),
        Expectation(
            "held-out first hops, weight decay 1: the one-layer memory answers at least 0.75, with"
            " embeddings frozen at most 0.05 (chance 0.02), with or without decay, and even where"
            f" it recalls all edges, d = {ROOMY}",
            "less of the one, more of the others, or an edge that is not recalled",
            lambda found: _all_of(
                _recalled(found, (HOPS, FROZEN_HOPS[-1])),
                _all(
                    found,
                    [
                        (HOPS, HELD_OUT, lambda x: x >= 0.75),
                        *((one, HELD_OUT, lambda x: x <= 0.05) for one in FROZEN_HOPS),
                    ],
                ),
            ),
        ),
        Expectation(
            "without weight decay the one-layer memory answers fewer held-out first hops, by 0.3"
            " at least",
            "a smaller difference",
            lambda found: _apart(found, HOPS, FIRST_HOPS[1], HELD_OUT, 0.3),
        ),
        Expectation(
            "a transformer of one layer answers some held-out first hops, at least 0.05, and fewer"
            " than the one-layer memory by 0.3; with embeddings frozen at most 0.05",
            "fewer, a smaller difference, or more where they are frozen",
            lambda found: _all_of(
                _all(
                    found,
                    [
                        (FIRST_HOPS[-2], HELD_OUT, lambda x: x >= 0.05),
                        (FIRST_HOPS[-1], HELD_OUT, lambda x: x <= 0.05),
                    ],
                ),
                _apart(found, HOPS, FIRST_HOPS[-2], HELD_OUT, 0.3),
            ),
        ),
        Expectation(
            "learned linear memories of tiny graphs have as much energy at the far end of the"
            " spectrum, where neighbours are opposed, as at the near end, or more; Node2Vec has at"
            " most 0.1 there",
            "more at the near end, or more of Node2Vec",
            lambda found: _all_of(
                *(_far_end(found, TINY[place + 1]) for place in (0, 3, 6)),
                _all(found, [(TINY[place + 2], FAR, lambda x: x <= 0.1) for place in (0, 3, 6)]),
            ),
        ),
        Expectation(
            "tiny graphs: frozen and learned linear memories recall all edges, and the share of"
            " nodes that keep a neighbour on top when the matrix is made diagonal is 0.3 higher of"
            " learned ones, in each graph",
            "an edge that is not recalled, or a smaller difference",
            lambda found: _all_of(
                _recalled(found, [one for one in TINY if one.memory == "linear"]),
                *(
                    _apart(found, TINY[place + 1], TINY[place], DIAGONAL, 0.3)
                    for place in (0, 3, 6)
                ),
            ),
        ),
    ),
    draw=draw,
)
