"""Training the models of a point and measuring them, as a job of the runner; in one thread, so
that the same machine gives the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.decoders.standard_decoder import StandardShape
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import WRITING, Vocabulary
from constructions.learning.beginnings import drawn
from constructions.learning.fit import fit
from constructions.learning.one_layer import OneLayer, OneLayerShape
from constructions.learning.recalled import n_right
from verify.learned.adapters import of
from verify.learned.attention import attention
from verify.learned.experiments.found import Found
from verify.learned.experiments.points import ManyHops, Measured, OneHop, Point
from verify.learned.geometry.measured import of_graph
from verify.learned.geometry.on_graph import OnGraph
from verify.learned.intervention import intervention
from verify.learned.measure import Measure
from verify.learned.selection import selection
from verify.learned.superposition import superposition
from verify.learned.transfer import after_steps, zero_step
from verify.runner.job import Cost, Kind
from verify.runner.outcome import Lost

SECONDS_A_NUMBER = 1.2e-8
"""Of training: roughly, on one core."""
SMALLEST_STEP = 1e-3
"""Seconds that a step takes however small the models are."""
RATE = 1e-2
NEW = 10**6
"""Added to a seed, that of new facts."""
UNSEEN = 2 * 10**6
"""Added to a seed, that of the choice of paths that are held out."""


def run(point: Point) -> Found:
    """Train the models and measure them."""
    began = time.monotonic()
    with one_thread():
        if isinstance(point, OnGraph):
            found = _on_graph(point)
        else:
            found = _one_hop(point) if isinstance(point, OneHop) else _many_hops(point)
    return replace(found, seconds=time.monotonic() - began)


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes in one thread meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def facts_of(point: OneHop, seed: int) -> FactTable:
    """The facts of a seed."""
    return FactTable.random_worlds(point.worlds, point.size, point.relations, seed)


def shape_of(point: OneHop) -> OneLayerShape:
    """The shape of the models."""
    return OneLayerShape(
        point.subjects,
        point.relations,
        point.size,
        point.d_model,
        point.d_mlp,
        point.hidden_layers,
        point.attention,
        norm=point.norm or None,
    )


def _one_hop(point: OneHop) -> Found:
    """One-layer models."""
    tables = [facts_of(point, seed) for seed in point.seeds]
    fitted = fit(
        shape_of(point),
        tables,
        point.steps,
        point.seeds,
        rate=RATE,
        weight_decay=point.weight_decay,
        frozen=point.frozen,
        until=point.until or None,
        device="cpu",
    )
    measures: dict[str, list[Measure]] = {}
    for seed, table, model in zip(point.seeds, tables, fitted.models, strict=True):
        for name in point.measured:
            for one in MEASURES[name](point, cast("OneLayer", model), table.answers, seed):
                measures.setdefault(one.name, []).append(one)
    return Found(
        point,
        tuple(np.rint(fitted.best * fitted.n_queries).astype(int).tolist()),
        fitted.n_queries,
        tuple(fitted.steps.tolist()),
        measures={name: tuple(each) for name, each in measures.items()},
    )


def _superposition(
    point: OneHop, model: OneLayer, answers: NDArray[np.int64], seed: int
) -> list[Measure]:
    """Held-out R^2."""
    return [superposition(of(model), answers, seed=seed)]


def _intervention(
    point: OneHop, model: OneLayer, answers: NDArray[np.int64], seed: int
) -> list[Measure]:
    """Move, keep, both."""
    found = intervention(of(model), answers, seed=seed, n_subjects=256)
    return [found.move, found.keep, found.both]


def _transfer(
    point: OneHop, model: OneLayer, answers: NDArray[np.int64], seed: int
) -> list[Measure]:
    """Zero-step transfer, and after some steps, of new bijections; the control of the latter is a
    model that was never trained.
    """
    new = facts_of(point, NEW + seed).answers
    untrained = of(drawn(shape_of(point), NEW + seed))
    return [
        zero_step(of(model), answers, new, seed=seed),
        after_steps(of(model), answers, new, control=untrained, seed=seed),
    ]


def _selection(
    point: OneHop, model: OneLayer, answers: NDArray[np.int64], seed: int
) -> list[Measure]:
    """How far hidden units divide the relations; the control is a model that was never trained."""
    untrained = of(drawn(shape_of(point), NEW + seed))
    return [selection(of(model), control=untrained, seed=seed).measure]


def _attention(
    point: OneHop, model: OneLayer, answers: NDArray[np.int64], seed: int
) -> list[Measure]:
    """Attention to the subject."""
    return [attention(of(model)).measure]


MEASURES: dict[Measured, Callable[[OneHop, OneLayer, NDArray[np.int64], int], list[Measure]]] = {
    "rows": _superposition,
    "intervention": _intervention,
    "transfer": _transfer,
    "selection": _selection,
    "attention": _attention,
}
"""What is measured of a model and its facts, by name."""


def _many_hops(point: ManyHops) -> Found:
    """Standard decoders."""
    examples = [sequences_of(point, seed) for seed in point.seeds]
    vocabulary = Vocabulary(point.size, point.relations, WRITING)
    shape = StandardShape(
        len(vocabulary),
        point.d_model,
        point.layers,
        point.heads,
        max(1, point.d_model // point.heads),
        4 * point.d_model,
        examples[0][0][0].shape[1],
        norm="rmsnorm",
    )
    fitted = fit(
        shape,
        [seen for seen, _ in examples],
        point.steps,
        point.seeds,
        rate=RATE,
        initial_scale=point.d_model**-0.5,
        device="cpu",
    )
    unseen = [unseen for _, unseen in examples]
    n_unseen = len(unseen[0][0])
    return Found(
        point,
        tuple(np.rint(fitted.best * fitted.n_queries).astype(int).tolist()),
        fitted.n_queries,
        tuple(fitted.steps.tolist()),
        tuple(n_right(fitted.models, unseen).tolist()) if n_unseen else (),
        n_unseen,
    )


def _on_graph(point: OnGraph) -> Found:
    """Memories of a graph."""
    found = of_graph(point)
    steps = (point.steps,) * len(point.seeds)
    return Found(
        point, found.recalled, found.edges, steps, measures=found.measures, along=found.along
    )


Sequences = tuple[NDArray[np.int64], NDArray[np.int64]]


def sequences_of(point: ManyHops, seed: int) -> tuple[Sequences, Sequences]:
    """The sequences that are trained on, of k hops and of every single hop, and those of k hops
    that are held out.
    """
    facts = FactTable.random_bijections(point.size, point.relations, seed)
    tokens, targets = facts.dataset(point.hops, point.written)
    shuffled = np.random.default_rng(UNSEEN + seed).permutation(len(tokens))
    n_held = round(point.held_out * len(tokens))
    held, kept = np.sort(shuffled[:n_held]), np.sort(shuffled[n_held:])
    single = _of_that_width(
        *facts.dataset(1, point.written, longest=point.hops),
        tokens.shape[1],
        targets.shape[1],
        facts,
    )
    seen = tuple(
        np.concatenate(parts) for parts in zip((tokens[kept], targets[kept]), single, strict=True)
    )
    return cast("Sequences", seen), (tokens[held], targets[held])


def _of_that_width(
    tokens: NDArray[np.int64],
    targets: NDArray[np.int64],
    width: int,
    n_targets: int,
    facts: FactTable,
) -> Sequences:
    """Shorter sequences, filled with PAD, after which it does not matter what is said."""
    pad = Vocabulary(facts.n_entities, facts.n_relations, WRITING).special("pad")
    more, fewer = width - tokens.shape[1], n_targets - targets.shape[1]
    return (
        np.pad(tokens, ((0, 0), (0, more)), constant_values=pad),
        np.pad(targets, ((0, 0), (0, fewer)), constant_values=-1),
    )


def describe(point: Point) -> dict[str, Any]:
    """All that decides what is found."""
    return {"of": type(point).__name__} | asdict(point)


def cost(point: Point) -> Cost:
    """A rough estimate of the time, as if no model ended early, and of the memory."""
    step = SMALLEST_STEP + SECONDS_A_NUMBER * point.numbers
    return Cost(point.steps * step, 3 * 10**8 + 40 * point.numbers)


def lost(point: Point, why: Lost) -> Found:
    """Nothing was found, and why."""
    return Found(point, lost=str(why))


def group(point: Point) -> str:
    """Models of one kind."""
    return type(point).__name__


LEARNED = Kind("learned", Found, run, describe, cost, lost, group)
"""The training of the models of a point."""
