"""A model held against Theorem 4.2: its bits must not lie below any lower bound that applies to
it, nor may a row of its embedding hold fewer than all facts of one entity need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bounds.dimension import row_bound
from bounds.lower_bound import Bound, LowerBound
from bounds.sizes import Costs
from bounds.theorem_4_2 import LOWER_BOUNDS, every_bound
from constructions.guards.errors import InputError
from verify.queries.evidence import Evidence


@dataclass(frozen=True)
class BoundCheck:
    """One bound beside a model.

    Attributes:
        name: of the bound.
        applies: whether no model of this kind may lie below it.
        why: if it does not apply, or does not exist at this size, the reason.
        bits: the bound on B_T at the model's dense bits of embedding (and unembedding); None if it
            does not exist.
        ratio: dense B_T over `bits`; None unless `bits` is positive.
        fact_bits, fact_ratio: the same for the bits of facts alone; None where it is no bound on
            these.
    """

    name: str
    applies: bool
    why: str
    bits: float | None
    ratio: float | None
    fact_bits: float | None
    fact_ratio: float | None
    of_facts: bool = True


@dataclass(frozen=True)
class RowCheck:
    """The facts of one entity beside its row of the embedding (`bounds.dimension`).

    Attributes:
        applies: whether all facts stand in the embedding, so that a row holds those of its entity.
        why: if not, or if there is no such bound at this size, the reason.
        bits: what a row needs; None where there is no such bound.
    """

    applies: bool
    why: str
    bits: float | None


@dataclass(frozen=True)
class BoundsFound(Evidence):
    """A model beside every bound.

    Attributes:
        costs: its bits.
        checks: one for each bound.
        bijective: whether its facts are bijections.
        row: what stands in one row of the embedding.
    """

    costs: Costs
    checks: tuple[BoundCheck, ...]
    bijective: bool
    row: RowCheck

    def faults(self) -> Iterator[str]:
        """Every bound that applies and that the model lies below: a bug in the model, the
        accounting or the bound.
        """
        for check in self.checks:
            for what, have, need, is_bound in (
                ("dense", self.costs.internal_bits, check.bits, True),
                ("fact", self.costs.internal_fact_bits, check.fact_bits, check.of_facts),
            ):
                if check.applies and is_bound and (need is None or not have >= need):
                    yield (
                        f"{have:,} internal {what} bits, and the {check.name} bound says at least"
                        f" {need}"
                    )
        row, have = self.row, self.costs.embedding_fact_bits
        if row.applies and not (row.bits is not None and have >= row.bits):
            yield (
                f"{have:,} bits of facts in a row of the embedding, and the facts of one entity"
                f" are at least {row.bits}"
            )

    def doubts(self) -> Iterator[str]:
        """None: a bound that does not apply says why, and decides nothing."""
        yield from ()

    @property
    def tightest(self) -> BoundCheck | None:
        """The largest positive bound that applies, in dense bits."""
        return tightest(self.checks)

    @property
    def separation(self) -> float | None:
        """For a model that writes tokens before its answer: by what factor it lies below every
        model without chain-of-thought that has embeddings as small and a fixed unembedding; else
        None.
        """
        costs = self.costs
        if costs.written_tokens == 1 or not self.bijective or costs.unembedding_fact_bits:
            return None
        best = max(
            (
                check.bits
                for check in self.checks
                if check.name in LOWER_BOUNDS
                and LOWER_BOUNDS[check.name].unembedding == "fixed"
                and check.bits
            ),
            default=0.0,
        )
        return best / costs.internal_bits if best > costs.internal_bits else None


def tightest(checks: Sequence[BoundCheck]) -> BoundCheck | None:
    """The largest positive bound that applies, in dense bits."""
    applying = [one for one in checks if one.applies and one.bits is not None and one.bits > 0]
    return max(applying, key=lambda check: check.bits or 0, default=None)


def hold_against_bounds(
    costs: Costs,
    n_entities: int,
    n_relations: int,
    hops: int,
    bijective: bool,
    own: Sequence[LowerBound] = (),
    functions: bool = True,
) -> BoundsFound:
    """Evaluate every bound at the model's own embedding bits.

    A bound of ours is about models that answer all tuples of bijections in one pass; it does not
    apply where tokens are written before the answer (chain-of-thought), or to facts that are no
    bijections. Bounds for fixed unembeddings do not apply where the unembedding holds facts. The
    counting argument holds for dense bits, and for fact bits as well: the other entries are the
    same whatever the facts.

    Args:
        costs: of the model.
        n_entities, n_relations, hops: its size.
        bijective: whether its facts are bijections.
        own: further bounds, of the user's, whose hypotheses may be others.
        functions: whether it is one of models that answer every tuple of functions.
    """
    sizes = (n_entities, n_relations, hops)
    dense = _every_bound(*sizes, costs.embedding_bits, costs.unembedding_bits)
    of_facts = _every_bound(*sizes, costs.embedding_fact_bits, costs.unembedding_fact_bits)
    checks = [
        _check(LOWER_BOUNDS[name], costs, bound, of_facts[name], bijective, functions)
        for name, bound in dense.items()
    ]
    checks += [hold_against(bound, costs, *sizes, bijective, functions) for bound in own]
    return BoundsFound(costs, tuple(checks), bijective, _row(costs, *sizes, bijective))


def _row(costs: Costs, n_entities: int, n_relations: int, hops: int, bijective: bool) -> RowCheck:
    """A row of the embedding, held against the facts of one entity."""
    why = "" if bijective else "the facts are no bijections"
    if costs.written_tokens > 1:
        why = "tokens are written until the answer stands, and their rows enter, too"
    if costs.internal_fact_bits or costs.unembedding_fact_bits:
        why = "other weights than the embedding hold facts"
    try:
        bits = row_bound(n_entities, n_relations, hops).bits
    except InputError as error:
        return RowCheck(False, why or str(error), None)
    return RowCheck(not why, why, bits)


def hold_against(
    bound: LowerBound,
    costs: Costs,
    n_entities: int,
    n_relations: int,
    hops: int,
    bijective: bool,
    functions: bool,
) -> BoundCheck:
    """One bound beside a model; arguments as of `hold_against_bounds`."""
    sizes = (n_entities, n_relations, hops)
    dense = bound.at(*sizes, costs.embedding_bits, costs.unembedding_bits)
    facts: Bound | str = "it is no bound on the bits of facts alone"
    if bound.of_facts:
        facts = bound.at(*sizes, costs.embedding_fact_bits, costs.unembedding_fact_bits)
    return _check(bound, costs, dense, facts, bijective, functions)


def _check(
    bound: LowerBound,
    costs: Costs,
    dense: Bound | str,
    of_facts: Bound | str,
    bijective: bool,
    functions: bool,
) -> BoundCheck:
    """A bound, evaluated in both ways, beside a model."""
    why = _exemption(bound, costs, bijective, functions)
    why = why or (dense if isinstance(dense, str) else "")
    beside = (*_beside(costs.internal_bits, dense), *_beside(costs.internal_fact_bits, of_facts))
    return BoundCheck(bound.name, not why, why, *beside, bound.of_facts)


def _exemption(bound: LowerBound, costs: Costs, bijective: bool, functions: bool) -> str:
    """Why a bound does not apply to a model of such costs; empty if it does."""
    if not bijective:
        return "the facts are no bijections"
    if bound.facts == "functions" and not functions:
        return "no other models are claimed than those of such bijections"
    if costs.written_tokens > 1 and not bound.writing:
        return (
            f"{costs.written_tokens} tokens are written until the answer stands (chain-of-thought)"
        )
    if costs.unembedding_fact_bits and bound.unembedding == "fixed":
        return "the unembedding holds facts"
    return ""


def _beside(have: int, bound: Bound | str) -> tuple[float | None, float | None]:
    """The bits of a bound, and how many times as many the model has; None where there is none."""
    if isinstance(bound, str):
        return None, None
    return bound.bits, have / bound.bits if bound.bits > 0 else None


_every_bound = lru_cache(maxsize=256)(every_bound)
