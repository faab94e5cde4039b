"""What was found of a construction in another form: its answers, and how far its logits are from
the original's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from constructions.guards.wording import shortened
from verify.kernel.verdict import Verdict as Proven
from verify.queries.answers import Recall
from verify.queries.asked import Asked, larger, smaller
from verify.queries.evidence import Evidence

BY_BOUND, IN_DTYPE = "form", "form in its dtype"
"""Who says that a form is proven: see `verify.cli.reports.checks`."""


@dataclass(frozen=True)
class FormSizes:
    """The sizes of a model in another form, in entries."""

    d_model: int
    d_mlp: int
    n_layers: int
    n_heads: int
    parameters: int


@dataclass(frozen=True)
class FormAnswers(Evidence):
    """What was found of a form.

    Attributes:
        sizes: of the model in this form.
        allowed: how far a logit may be off; infinite where only answers are claimed.
        planned: how many queries there are, of all lengths together.
        recalls: the passes over all queries, one for each length of paths; none where the proof
            decides alone.
        off: the largest |logit - logit of the original| in these passes, over all tokens at the
            positions that answer; NaN if any is.
        to_ask: how many of the queries are to be asked as whole sequences too.
        asked: these, with their logits beside the original's.
        proven: what follows from what the checkers say of the construction; None if they were not
            asked.
    """

    sizes: FormSizes
    allowed: float
    planned: int
    recalls: tuple[Recall, ...]
    off: float
    to_ask: int
    asked: Asked
    proven: Proven | None = None

    @property
    def by(self) -> Literal["queries", "proof", "both"]:
        """What decides the answers."""
        if self.proven is None:
            return "queries"
        return "both" if self.recalls else "proof"

    @property
    def queries(self) -> int:
        """How many queries were run step by step."""
        return sum(recall.queries for recall in self.recalls)

    @property
    def wrong(self) -> int:
        """How many of them are wrong."""
        return sum(recall.wrong for recall in self.recalls)

    @property
    def unknown(self) -> int:
        """How many of them rounding may decide."""
        return sum(recall.unknown for recall in self.recalls)

    @property
    def margin(self) -> float:
        """The smallest margin of all lengths; infinite where none was run."""
        return min((recall.margin for recall in self.recalls), default=float("inf"))

    @property
    def proven_margin(self) -> float | None:
        """The proven margin; None where nothing is proven of it."""
        proven = self.proven
        return float(proven.margin) or None if proven is not None and _in_dtype(proven) else None

    @property
    def difference(self) -> float:
        """The largest |logit - logit of the original|, step by step or of whole sequences."""
        return larger(self.off, self.asked.difference)

    def in_words(self) -> str:
        """What is claimed of the margin."""
        if self.allowed == float("inf"):
            return "the original's: only the answers"
        return f"the original's: each logit within {self.allowed:.3g}"

    def ways(self) -> list[str]:
        """What has decided the answers, in lines."""
        every = f"all {self.planned:,} were run, each logit beside the construction's"
        of, asked = "", self.asked
        if asked.queries != asked.all_queries:
            of = " random"
        whole = (
            f"whole sequences: {asked.queries:,}{of} queries, {asked.wrong:,} wrong, margin at"
            f" least {asked.margin:.4g}, logits off by {asked.difference:.3g}"
        )
        if self.proven is None:
            return [f"by queries: {every}", whole]
        real = "" if _in_dtype(self.proven) else ", in real arithmetic alone"
        proof = [f"from that of the construction, for {shortened(self.planned)} queries{real}"]
        if self.proven.verdict != "PASS":
            proof = [f"{self.proven.verdict}"]
        elif self.proven.rounds:
            proof.append(self.proven.rounds)
        if not self.recalls:
            return [f"by proof: {proof[0]}", *proof[1:], whole]
        return [f"by both: {every}", f"proof: {proof[0]}", *proof[1:], whole]

    def faults(self) -> Iterator[str]:
        """A defect, queries that were left out, wrong answers, a margin that is not positive, a
        logit that is too far off. Where queries are undecided, what follows from them is no fault.
        """
        yield from (recall.defect for recall in self.recalls if recall.defect is not None)
        decided = not any(True for _ in self.doubts())
        if self.recalls and self.queries != self.planned and decided:
            yield f"{self.queries} queries were run, there are {self.planned}"
        if self.asked.queries != self.to_ask:
            yield f"{self.asked.queries} whole sequences were asked, of {self.to_ask}"
        if self.wrong != 0 or (self.asked.wrong != 0 and decided):
            yield (
                f"{self.wrong} wrong answers of step by step, {self.asked.wrong} of whole"
                " sequences"
            )
        if not self.margin > 0 and decided:
            yield f"the smallest margin is {self.margin}, not positive"
        if not self.difference <= self.allowed:
            yield f"a logit is off by {self.difference}, claimed is at most {self.allowed}"
        if self.proven is not None and self.proven.verdict == "FAIL":
            yield self.proven.reason
        if self.proven is not None and self.proven.verdict == "PASS":
            yield from self._against(self.proven)

    def _against(self, proven: Proven) -> Iterator[str]:
        """What was run otherwise than is proven."""
        if proven.queries != self.planned:
            yield f"{proven.queries} queries are proven, there are {self.planned}"
        margin = smaller(self.margin, self.asked.margin)
        if _in_dtype(proven) and not margin >= proven.margin:
            least = f"a margin of {shortened(proven.margin)}" if proven.margin else "every answer"
            yield f"{least} is proven, one was {margin}"

    def doubts(self) -> Iterator[str]:
        """Why queries are undecided, of each length; where none was run, why nothing is proven."""
        yield from (recall.reason for recall in self.recalls if recall.reason is not None)
        if not self.recalls:
            yield from self._unproven()
        elif self.proven is not None and self.proven.verdict == "UNKNOWN":
            yield f"the form is to be proven, too: {self.proven.reason}"

    def _unproven(self) -> Iterator[str]:
        """Why the proof does not decide alone."""
        proven = self.proven
        if proven is None:
            yield "no query was run, and nothing is proven"
        elif proven.verdict != "PASS":
            yield f"the proof alone decides {shortened(self.planned)} queries: {proven.reason}"
        elif not _in_dtype(proven):
            yield (
                "all answers are proven in real arithmetic, but not in floating point:"
                f" {proven.rounds}"
            )


def _in_dtype(proven: Proven) -> bool:
    """Whether a proof is about the module as it computes, and not about real arithmetic alone."""
    return proven.exact is not None or proven.by == IN_DTYPE
