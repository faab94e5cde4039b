"""The result of a cell: what was found, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from constructions.entry import Construction
from constructions.guards.wording import printable, shortened
from verify.cells.against_bounds import BoundsFound
from verify.cells.cell import Cell
from verify.cells.evidence import Ended, MarginFound, ProofFound, SizesFound
from verify.kernel.verdict import Verdict as Proven
from verify.queries.answers import Recall
from verify.queries.evidence import Evidence
from verify.queries.form_answers import FormAnswers


@dataclass(frozen=True)
class CellResult(Evidence):
    """All evidence about a cell. What was not reached is None.

    Attributes:
        cell: what was to be verified.
        dtype: of the module; as asked for, if none was built.
        sizes, bounds, claim: of a construction as it is built.
        recall: the pass over all queries; None if there are more than are run.
        proof: of the saved model; None if it was not saved, and of a form, which has its own.
        form: of a construction in another form, which has nothing else.
        not_claimed: how many queries meet a missing fact, where stored ones alone are claimed.
        ended: why there is no result.
        seconds: how long it took.
    """

    cell: Cell
    dtype: str
    sizes: SizesFound | None = None
    bounds: BoundsFound | None = None
    recall: Recall | None = None
    claim: MarginFound | None = None
    proof: ProofFound | None = None
    form: FormAnswers | None = None
    not_claimed: int = 0
    ended: Ended | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        """The verdict and what it rests on, and why it is not PASS."""
        cell, sizes, bounds, proof = self.cell, self.sizes, self.bounds, self.proof
        size = f"N = {cell.entities:,}, R = {cell.relations:,}, k = {cell.hops:,}"
        said = [f"{self.verdict}: {self.entry.name}, {size}"]
        if self.verdict != "PASS":
            said.append(f"why {self.verdict}: {self.reason}")
        if self.answers is not None:
            margin = "none" if self.margin is None else f"{self.margin:.6g}"
            said.append(f"{self.queries:,} queries run, {self.wrong} wrong, margin {margin}")
        if self.not_claimed:
            said.append(self.claimed)
        if sizes is not None:
            compared = "sizes as counted, without formulas"
            if sizes.expected is not None:
                compared = "sizes as counted and as the formulas say"
            found = f"d_model {sizes.found.d_model:,}, B_T {sizes.found.internal_bits:,} bits"
            said.append(f"{compared if self.verdict == 'PASS' else 'sizes'}: {found}")
        if bounds is not None:
            said.append(f"{sum(check.applies for check in bounds.checks)} lower bounds apply")
        if proof is not None:
            said.append(f"the proof from the saved weights says {proof.proven.verdict}")
            if proof.sample is not None:
                said.append(proof.sample.in_words())
        if self.form is not None:
            said += self.form.ways()
        return "\n    ".join(map(printable, said))

    @property
    def claimed(self) -> str:
        """In words, that stored queries alone are claimed, where others exist."""
        others = shortened(self.not_claimed)
        return f"stored queries alone are claimed; the other {others} are not claimed"

    @property
    def entry(self) -> Construction:
        """The construction."""
        return self.cell.entry

    @property
    def evidence(self) -> list[Evidence]:
        """All that was found."""
        found = (
            self.sizes,
            self.bounds,
            self.recall,
            self.claim,
            self.proof,
            self.form,
            self.ended,
        )
        return [one for one in found if one is not None]

    def faults(self) -> Iterator[str]:
        """Those of all evidence."""
        for one in self.evidence:
            yield from one.faults()

    def doubts(self) -> Iterator[str]:
        """Those of all evidence; and where no answer was checked, that."""
        for one in self.evidence:
            yield from one.doubts()
        if not (self.recall or self.proof or self.form or self.ended):
            yield "no answer was checked"

    @property
    def reason(self) -> str:
        """Why the verdict is not PASS: all faults, or all doubts if there is none."""
        return "; ".join(list(self.faults()) or list(self.doubts()))

    @property
    def answers(self) -> Recall | FormAnswers | None:
        """What was found by running all queries; None if they were not run."""
        if self.form is not None and self.form.by == "proof":
            return None
        return self.recall or self.form

    @property
    def proven(self) -> Proven | None:
        """What is proven of the answers; None if nothing was to be proven."""
        if self.form is not None:
            return self.form.proven
        return None if self.proof is None else self.proof.proven

    @property
    def n_proven(self) -> int | None:
        """How many queries are proven; None if the proof is not finished."""
        proven = self.proven
        return proven.queries if proven is not None and proven.verdict == "PASS" else None

    @property
    def by(self) -> Literal["queries", "proof", "both"] | None:
        """What decides the answers; None if nothing does."""
        if self.form is not None:
            return self.form.by
        if self.proof is None:
            return None if self.answers is None else "queries"
        return "proof" if self.recall is None else "both"

    @property
    def by_proof_alone(self) -> bool:
        """Whether no query was run but a sample, and the proof decides."""
        return self.by == "proof"

    @property
    def queries(self) -> int | None:
        """How many queries were run."""
        if self.answers is None:
            return 0 if self.by_proof_alone else None
        return self.answers.queries

    @property
    def wrong(self) -> int | None:
        """How many of them are answered wrong."""
        return None if self.answers is None else self.answers.wrong

    @property
    def unknown(self) -> int | None:
        """How many of them rounding may decide."""
        return None if self.answers is None else self.answers.unknown

    @property
    def margin(self) -> float | None:
        """The smallest margin that was measured; the proven one, if the proof decides alone."""
        if self.answers is not None:
            return self.answers.margin
        proven = self.proven
        if self.form is not None:
            return self.form.proven_margin
        return float(proven.margin) if proven is not None and proven.exact else None
