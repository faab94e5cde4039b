"""What was found of a construction in another form: its answers, and how far its logits are from
the original's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verify.queries.answers import Recall
from verify.queries.asked import Asked, larger
from verify.queries.evidence import Evidence


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
        recalls: the passes over all queries, one for each length of paths.
        off: the largest |logit - logit of the original| in these passes, over all tokens at the
            positions that answer; NaN if any is.
        to_ask: how many of the queries are to be asked as whole sequences too.
        asked: these, with their logits beside the original's.
    """

    sizes: FormSizes
    allowed: float
    planned: int
    recalls: tuple[Recall, ...]
    off: float
    to_ask: int
    asked: Asked

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
        """The smallest margin of all lengths."""
        return min(recall.margin for recall in self.recalls)

    @property
    def difference(self) -> float:
        """The largest |logit - logit of the original|, step by step or of whole sequences."""
        return larger(self.off, self.asked.difference)

    def in_words(self) -> str:
        """What is claimed of the margin."""
        if self.allowed == float("inf"):
            return "the original's: only the answers"
        return f"the original's: each logit within {self.allowed:.3g}"

    def faults(self) -> Iterator[str]:
        """A defect, queries that were left out, wrong answers, a margin that is not positive, a
        logit that is too far off. Where queries are undecided, what follows from them is no fault.
        """
        yield from (recall.defect for recall in self.recalls if recall.defect is not None)
        decided = not any(True for _ in self.doubts())
        if self.queries != self.planned and decided:
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

    def doubts(self) -> Iterator[str]:
        """Why queries are undecided, of each length."""
        yield from (recall.reason for recall in self.recalls if recall.reason is not None)
