"""What a model of a table will take before it is built: dimension, bytes, and expected seconds to
build it, to prove it, and to ask it one question.

Sizes are those of the builder's own plan, of which no weight is allocated. Seconds come from a
model of two numbers for each step, `fixed + rate * weights`, both measured here and now: the
construction is built, saved, proven and asked at two small sizes, with as many relations and hops,
on random tables of its kind. The kernel, which tabulates, takes `rate * multiplications`
(`verify.checking.work`), which grow with the square of the entities; it counts where `check` would
ask it. What is not linear in the weights, such as caches and disks that are full, is not in it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bounds.plans import Budget
from bounds.plans import Plan as Costed
from bounds.sizes import predicted
from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.integers import takes_integers
from constructions.guards.memory import memory_limit
from constructions.guards.wording import shortened
from constructions.saved.folder import save
from verify.cells.verifying import build
from verify.checking.check import check
from verify.checking.work import MOST_WORK, MOST_WORK_ALONE, work

HELD = 1.5
"""So many times its weights a model takes of memory while it is built and proven."""
SMALL, LARGER = 2**13, 2**17
"""Weights of the two models that are measured, about."""


@dataclass(frozen=True)
class Seconds:
    """What each step is expected to take. `prove` is None where no checker would decide."""

    build: float
    prove: float | None
    ask: float


@dataclass(frozen=True)
class Expected:
    """A construction and what its model of the table takes.

    Attributes:
        entry: of the catalogue.
        d_model: the dimension; 0 where the builder refuses the table.
        weights: how many numbers are stored.
        dtype: float32, or float64 where exactness needs it.
        seconds: None where it was not measured, as it does not fit.
        why_not: why it does not take this table, or does not fit; empty if it does.
    """

    entry: Construction
    d_model: int = 0
    weights: int = 0
    dtype: str = ""
    seconds: Seconds | None = None
    why_not: str = ""

    @property
    def bytes(self) -> int:
        """Of all weights in float32; in float64 where the model has that."""
        return self.weights * (8 if self.dtype == "float64" else 4)


@takes_integers
def expected(facts: FactTable, hops: int = 1, budget: Budget | None = None) -> Iterator[Expected]:
    """Every construction of the catalogue that answers so many hops, on this table.

    Args:
        facts: the table.
        hops: k.
        budget: what may be spent; by default anything.

    Raises:
        InputError: hops is not a positive integer.
    """
    for entry in CATALOGUE.values():
        if hops == 1 or entry.multi_hop:
            yield _expected(entry, facts, hops, budget or Budget())


def _expected(entry: Construction, facts: FactTable, hops: int, budget: Budget) -> Expected:
    """Of one construction."""
    try:
        plan = _planned(entry, facts, hops)
    except InputError as error:
        return Expected(entry, why_not=str(error))
    weights, dtype = plan.shape.n_parameters(), str(plan.dtype).removeprefix("torch.")
    found = Expected(entry, plan.shape.d_model, weights, dtype)
    needed = round(HELD * found.bytes) + facts.answers.nbytes
    if needed > (limit := memory_limit()):
        why = f"needs about {shortened(needed)} bytes of memory, and this machine has {limit:,}"
        return Expected(entry, plan.shape.d_model, weights, dtype, why_not=why)
    settled = {one.name: plan.settled[one.name] for one in entry.options if one.found}
    costs = predicted(entry, facts, hops, settled)
    tokens = plan.shape.d_vocab * (costs.embedding_bits + costs.unembedding_bits)
    costed = Costed(entry, settled, costs, costs.internal_bits + tokens)
    if exceeded := budget.exceeded_by(costed):
        why = ", ".join(exceeded)
        return Expected(entry, plan.shape.d_model, weights, dtype, why_not=why)
    seconds = _seconds(entry, facts, hops, weights)
    return Expected(entry, plan.shape.d_model, weights, dtype, seconds)


def _planned(entry: Construction, facts: FactTable, hops: int) -> Any:
    """The builder's plan, in the narrower of float32 and float64 that it accepts, as in `build`;
    what the formulas already know to exceed the memory is not planned.

    Raises:
        InputError: it takes no such table, or not in this memory.
    """
    if not any(option.found for option in entry.options):
        needed = round(HELD * 4 * predicted(entry, facts, hops).parameters)
        if needed > (limit := memory_limit()):
            raise DoesNotFit(
                f"needs about {shortened(needed)} bytes of memory, and this machine has {limit:,}"
            )
    try:
        return entry.plan(facts, hops, dtype=torch.float32)
    except DoesNotFit:
        return entry.plan(facts, hops, dtype=torch.float64)


# -------------------------------------------------------------------- measured here and now


class _Taken(NamedTuple):
    """What a small model took: its entities and weights, seconds of each step, and of the kernel
    its seconds and its multiplications; None where a checker does not decide.
    """

    entities: int
    weights: int
    build: float
    symbolic: float | None
    kernel: float | None
    multiplications: int
    ask: float


def _seconds(entry: Construction, facts: FactTable, hops: int, weights: int) -> Seconds:
    """What each step is expected to take, from two small models; of a model that is no larger
    than they are, from one.
    """
    sizes = sorted({_entities_for(entry, facts, hops, size) for size in (SMALL, LARGER)})
    few = _taken(entry, facts, hops, sizes[0])
    many = _taken(entry, facts, hops, sizes[-1])

    def line(step: Callable[[_Taken], float]) -> float:
        """A step of so many weights: on the line through both, which rises."""
        small, large, apart = step(few), step(many), many.weights - few.weights
        rate = max((large - small) / apart if apart else 0.0, large / many.weights / 4)
        return max(large + rate * (weights - many.weights), min(small, large))

    symbolic = many.symbolic is not None
    prove = line(lambda taken: taken.symbolic or 0.0) if symbolic else None
    growth = (facts.n_entities / few.entities) ** 2
    most = MOST_WORK if symbolic else MOST_WORK_ALONE
    if few.kernel is not None and few.multiplications * growth <= most:
        prove = (prove or 0.0) + few.kernel * growth
    return Seconds(line(lambda taken: taken.build), prove, line(lambda taken: taken.ask))


def _entities_for(entry: Construction, facts: FactTable, hops: int, size: int) -> int:
    """The largest power of two of entities for which a model has at most so many weights, by the
    formulas; at least 2, and no more than the table has.
    """
    entities = 2
    while 2 * entities <= facts.n_entities:
        table = FactTable.rotations(2 * entities, facts.n_relations)
        if predicted(entry, table, hops).parameters > size:
            break
        entities *= 2
    return min(entities, facts.n_entities)


def _taken(entry: Construction, facts: FactTable, hops: int, entities: int) -> _Taken:
    """Build, save, prove and ask a small model of a random table like the given one."""
    missing = 1 - facts.n_facts / facts.answers.size
    if missing and entry.missing:
        table = entry.random_partial_facts(entities, facts.n_relations, 0, min(missing, 0.5))
    else:
        table = entry.random_facts(entities, facts.n_relations, 0)
    built, model = _timed(lambda: build(entry, table, hops))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        saved, _ = _timed(lambda: save(model, folder))
        symbolic, verdict = _timed(lambda: check(folder, by="symbolic").verdict)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        multiplications = work(files, json.loads(files["manifest.json"]))
        kernel, found = None, ""
        alone = verdict != "PASS"
        growth = (facts.n_entities / entities) ** 2
        most = MOST_WORK_ALONE if alone else MOST_WORK
        if multiplications <= MOST_WORK // 50 and multiplications * growth <= most:
            kernel, found = _timed(lambda: check(folder, by="kernel").verdict)
    subject, relation = divmod(int((table.answers.T != MISSING).argmax()), table.n_relations)
    asked = min(_timed(lambda: model.answer(subject, [relation] * hops))[0] for _ in range(3))
    return _Taken(
        entities,
        model.shape.n_parameters(),
        built,
        None if alone else saved + symbolic,
        None if kernel is None or found != "PASS" else kernel + saved * alone,
        multiplications,
        asked,
    )


def _timed(step: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds that a step takes, and what it returns."""
    started = time.perf_counter()
    found = step()
    return time.perf_counter() - started, found
