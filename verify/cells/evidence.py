"""What is found of a model beside its answers: sizes, margin and proof, each of which knows what
is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from bounds.capacity import Capacity
from bounds.sizes import Costs, Sizes
from constructions.guards.wording import shortened
from constructions.model.margin import MarginClaim
from verify.kernel.verdict import Verdict as Proven
from verify.queries.answers import Recall
from verify.queries.evidence import Evidence
from verify.queries.sample import Sample


@dataclass(frozen=True)
class SizesFound(Evidence):
    """The sizes and bits of a model beside the formulas of its construction.

    Attributes:
        found: of the built model.
        expected: what the formulas say, bits of facts included; None of a construction without
            formulas.
        bits: what was counted, tensor by tensor, and whether anything depends on the facts that is
            not counted.
        bijective: whether the facts are bijections, and bits were counted in the format of their
            size: the formulas of bits are for these.
        written_tokens: that the model writes until its answer stands.
    """

    found: Sizes
    expected: Costs | None
    bits: Capacity
    bijective: bool
    written_tokens: int = 1

    @property
    def costs(self) -> Costs:
        """The sizes as found; bits of facts and written tokens by the formulas. Without formulas
        all bits count as bits of facts: what holds of more bits holds of those that are.
        """
        if self.expected is not None:
            return replace(self.expected, **asdict(self.found))
        found = self.found
        return Costs(
            **asdict(found),
            internal_fact_bits=found.internal_bits,
            embedding_fact_bits=found.embedding_bits,
            unembedding_fact_bits=found.unembedding_bits * self.bits.other_unembedding,
            written_tokens=self.written_tokens,
        )

    def faults(self) -> Iterator[str]:
        """A size that is not as the formula says, and facts in what is not counted."""
        expected = self.expected
        if expected and (different := expected.differs_from(self.found, self.bijective)):
            yield different
        if self.bits.outside:
            yield (
                "sizes, widths or constants depend on the facts, and are counted:"
                f" {self.bits.outside}"
            )
        if self.bits.other_unembedding and expected and not expected.unembedding_fact_bits:
            yield "the unembedding depends on the facts, and is claimed not to"

    def doubts(self) -> Iterator[str]:
        """None: sizes are counted."""
        yield from ()


@dataclass(frozen=True)
class MarginFound(Evidence):
    """What a construction claims of its margin, beside the smallest one that was measured.

    Attributes:
        claim: in words, if nothing is proven of the weights as they are: why.
        recall: the pass over all queries; None if none was run.
    """

    claim: MarginClaim | str
    recall: Recall | None

    def faults(self) -> Iterator[str]:
        """A claim that is missing or not positive, and a margin that is not as claimed."""
        if isinstance(self.claim, str):
            yield self.claim
            return
        if not self.claim.real > 0:
            yield (
                f"the margin claimed in real arithmetic is {shortened(self.claim.real)}, not"
                " positive"
            )
        if self.recall is None or not self.recall.judged:
            return
        least, margin = self.claim.in_dtype, self.recall.margin
        if not margin >= least:
            yield f"the smallest margin is {margin}, claimed is at least {shortened(least)}"
        if self.claim.attained and margin != least:
            yield f"the smallest margin is {margin}, claimed is exactly {shortened(least)}"

    def doubts(self) -> Iterator[str]:
        """None of its own: what rounding may decide is a doubt of the recall."""
        yield from ()

    def in_words(self) -> str:
        """The claim in one line."""
        claim = self.claim
        if isinstance(claim, str):
            return claim
        real = f"at least {float(claim.real):.6g} in real arithmetic"
        return (
            f"{real}; {'exactly' if claim.attained else 'at least'} {float(claim.in_dtype):.6g} in"
            " the dtype of the module"
        )


@dataclass(frozen=True)
class ProofFound(Evidence):
    """What the checker says of the saved model, beside what the construction claims and the
    forward pass has found.

    Attributes:
        proven: the checker's verdict.
        planned: how many queries it should prove: of a chain of thought, those of all lengths.
        margin: what the construction claims.
        recall: the pass over all queries; None if none was run, so that the proof decides alone.
        of: how many queries of the cell are claimed: N R^k, or the stored ones.
        sample: what a sample of queries has answered; None if there is no proof to be held
            against.
    """

    proven: Proven
    planned: int
    margin: MarginFound
    recall: Recall | None
    of: int
    sample: Sample | None = None

    @property
    def queries(self) -> int | None:
        """How many queries are proven; None if the proof is not finished."""
        return self.proven.queries if self.proven.verdict == "PASS" else None

    def faults(self) -> Iterator[str]:
        """A refuted model, and all in which checker, construction and forward pass contradict each
        other.
        """
        proven, claim = self.proven, self.margin.claim
        if proven.verdict == "FAIL":
            yield self._refusal()
        if proven.verdict != "PASS":
            return
        if proven.queries != self.planned:
            yield (
                f"{shortened(proven.queries)} queries are proven; there are"
                f" {shortened(self.planned)}"
            )
        if proven.exact is not None and not isinstance(claim, str) and claim.rounds:
            yield (
                f"the checker says exact in {proven.exact}, but the construction claims that it"
                " rounds"
            )
        if not proven.real_margin > 0:
            yield (
                f"the checker has proven a margin of {shortened(proven.real_margin)} in real"
                " arithmetic"
            )
        if self.recall is not None:
            yield from self._against(self.recall)
        if self.sample is not None:
            yield from self.sample.faults()
            if self.recall is None and proven.exact is not None and not isinstance(claim, str):
                yield from self._against_claim(claim, self.sample)

    def _against_claim(self, claim: MarginClaim, sample: Sample) -> Iterator[str]:
        """Where no query but a sample is run: what refutes the margin that is claimed."""
        least, proven = claim.in_dtype, self.proven.margin
        if not sample.margin >= least:
            yield (
                f"of {sample.asked()} one has the margin {sample.margin}, claimed is at least"
                f" {shortened(least)}"
            )
        if claim.attained and proven > least:
            yield (
                f"the checker has proven a margin of at least {shortened(proven)}, claimed is"
                f" exactly {shortened(least)}"
            )

    def _against(self, recall: Recall) -> Iterator[str]:
        """What the forward pass has found otherwise than is proven."""
        proven = self.proven
        if recall.wrong != 0 or (not recall.margin > 0 and not recall.unknown):
            yield f"the checker has proven a model with {recall.wrong} wrong answers"
        if proven.exact is None:
            return
        if recall.unknown:
            yield (
                f"the checker says exact in {proven.exact}, but rounding may decide"
                f" {recall.unknown} queries"
            )
        if recall.queries and not recall.margin >= proven.margin:
            yield (
                f"the checker has proven a margin of {shortened(proven.margin)}, measured is"
                f" {recall.margin}"
            )

    def doubts(self) -> Iterator[str]:
        """What the checker leaves open. That it cannot prove what the construction claims refutes
        nothing.
        """
        for doubt in self._open():
            yield (
                doubt
                if self.recall is not None
                else f"the proof alone decides {shortened(self.of)} queries: {doubt}"
            )

    def _open(self) -> Iterator[str]:
        """The doubts, whether the proof decides alone or not."""
        proven, claim = self.proven, self.margin.claim
        if proven.verdict == "UNKNOWN":
            yield self._refusal()
        if proven.verdict != "PASS":
            return
        if proven.exact is None and not isinstance(claim, str) and not claim.rounds:
            yield (
                f"no rounding is claimed ({self.margin.in_words()}), and not proven:"
                f" {proven.rounds}"
            )
        if self.recall is None and proven.exact is None:
            yield (
                "all answers are proven in real arithmetic, but not in floating point:"
                f" {proven.rounds}"
            )
        elif self.recall is None and self.sample is not None:
            yield from self.sample.doubts()

    def _refusal(self) -> str:
        """What the checker says where it has not proven the model."""
        return f"the checker says {self.proven.verdict} of the saved model: {self.proven.reason}"


@dataclass(frozen=True)
class Ended(Evidence):
    """Why a cell has come to an end without a result.

    Attributes:
        why: the sizes, facts or options are not taken, memory has run out, or a program has ended.
        crashed: whether the cell itself did it, which is a failed check.
        traceback: of the crash, if it was in Python.
        out_of_memory: whether another machine, or this one at another time, may have more to say.
    """

    why: str
    crashed: bool = False
    traceback: str = ""
    out_of_memory: bool = False

    def faults(self) -> Iterator[str]:
        """A crash."""
        if self.crashed:
            yield f"crashed: {self.why}"

    def doubts(self) -> Iterator[str]:
        """Anything else: nothing is known of the model."""
        if not self.crashed:
            yield self.why
