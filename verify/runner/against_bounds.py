"""A model held against Theorem 4.2: its bits must not lie below any lower bound that applies to
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from bounds.lower_bound import Bound
from bounds.sizes import Costs
from bounds.theorem_4_2 import FIXED_UNEMBEDDING_BOUNDS, every_bound
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
        fact_bits, fact_ratio: the same for the bits of facts alone.
    """

    name: str
    applies: bool
    why: str
    bits: float | None
    ratio: float | None
    fact_bits: float | None
    fact_ratio: float | None


@dataclass(frozen=True)
class BoundsFound(Evidence):
    """A model beside every bound.

    Attributes:
        costs: its bits.
        checks: one for each bound.
        bijective: whether its facts are bijections.
    """

    costs: Costs
    checks: tuple[BoundCheck, ...]
    bijective: bool

    def faults(self) -> Iterator[str]:
        """Every bound that applies and that the model lies below: a bug in the model, the
        accounting or the bound.
        """
        for check in self.checks:
            for what, have, need in (
                ("dense", self.costs.internal_bits, check.bits),
                ("fact", self.costs.internal_fact_bits, check.fact_bits),
            ):
                if check.applies and (need is None or not have >= need):
                    yield (
                        f"{have:,} internal {what} bits, and the {check.name} bound says at least"
                        f" {need}"
                    )

    def doubts(self) -> Iterator[str]:
        """None: a bound that does not apply says why, and decides nothing."""
        yield from ()

    @property
    def tightest(self) -> BoundCheck | None:
        """The largest positive bound that applies, in dense bits."""
        applying = [
            check
            for check in self.checks
            if check.applies and check.bits is not None and check.bits > 0
        ]
        return max(applying, key=lambda check: check.bits or 0, default=None)

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
                if check.name in FIXED_UNEMBEDDING_BOUNDS and check.bits
            ),
            default=0.0,
        )
        return best / costs.internal_bits if best > costs.internal_bits else None


def hold_against_bounds(
    costs: Costs, n_entities: int, n_relations: int, hops: int, bijective: bool
) -> BoundsFound:
    """Evaluate every bound at the model's own embedding bits.

    A bound is about models that answer all tuples of bijections in one pass; it does not apply
    where tokens are written before the answer (chain-of-thought), or to facts that are no
    bijections. Bounds for fixed unembeddings do not apply where the unembedding holds facts. The
    counting argument holds for dense bits, and for fact bits as well: the other entries are the
    same whatever the facts.
    """
    dense = _every_bound(
        n_entities, n_relations, hops, costs.embedding_bits, costs.unembedding_bits
    )
    of_facts = _every_bound(
        n_entities, n_relations, hops, costs.embedding_fact_bits, costs.unembedding_fact_bits
    )
    checks = []
    for name, bound in dense.items():
        why = _exemption(name, costs, bijective) or (bound if isinstance(bound, str) else "")
        bits, ratio = _beside(costs.internal_bits, bound)
        fact_bits, fact_ratio = _beside(costs.internal_fact_bits, of_facts[name])
        checks.append(BoundCheck(name, not why, why, bits, ratio, fact_bits, fact_ratio))
    return BoundsFound(costs, tuple(checks), bijective)


def _exemption(name: str, costs: Costs, bijective: bool) -> str:
    """Why a bound does not apply to a model of such costs; empty if it does."""
    if not bijective:
        return "the facts are no bijections"
    if costs.written_tokens > 1:
        return (
            f"{costs.written_tokens} tokens are written until the answer stands (chain-of-thought)"
        )
    if costs.unembedding_fact_bits and name in FIXED_UNEMBEDDING_BOUNDS:
        return "the unembedding holds facts"
    return ""


def _beside(have: int, bound: Bound | str) -> tuple[float | None, float | None]:
    """The bits of a bound, and how many times as many the model has; None where there is none."""
    if isinstance(bound, str):
        return None, None
    return bound.bits, have / bound.bits if bound.bits > 0 else None


_every_bound = lru_cache(maxsize=256)(every_bound)
