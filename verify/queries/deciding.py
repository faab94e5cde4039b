"""Which queries of a batch are right, wrong or undecided: by all logits, by the final states, or
by both.
"""

from __future__ import annotations

import torch
from torch import Tensor

from constructions.facts.table import FactTable
from constructions.guards.errors import InputError, InternalError
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from verify.queries.answers import Logits, Recall
from verify.queries.batches import Batch
from verify.queries.exact import Exactness
from verify.queries.query_words import query_in_words
from verify.queries.readout import MarginReader
from verify.queries.readout_declared import check_readout
from verify.queries.rounded import Rounding

ALSO_CALLED = 16
"""So many queries of the first batch are also asked by `model(tokens)`, or fewer if their logits
are many.
"""
MOST_CALLED = 2**24
"""So many logits at once, but for one query."""


class Decider:
    """Decides batches in one mode; notes in the result what makes decisions unsound."""

    def __init__(self, model: Answering, mode: Logits, rows: int, result: Recall, hops: int):
        self.model, self.mode, self.rows, self.result = model, mode, rows, result
        self.exactness, self.rounding = (
            Exactness(model.embedding.weight.dtype),
            Rounding(model, hops),
        )
        self.reader: MarginReader | None = None
        self.differ: Tensor | None = None
        if mode != "full":
            if not isinstance(model, FactModel):
                raise InputError(
                    f"a {type(model).__name__} declares no readout; ask for full logits"
                )
            if not model.readout.tells_codes_apart:
                raise InputError(
                    f"{model.construction} reads answers by linear forms of any kind, of which no"
                    " state alone tells the best; ask for full logits"
                )
            result.defect = check_readout(model)
            if result.defect is None:
                self.reader = MarginReader(model)

    def margins(self, batch: Batch) -> Tensor:
        """The margins of a batch, float64 (Q,)."""
        full = (
            full_margins(self.model, batch.states, batch.answers, self.rows)
            if self.mode != "fast"
            else None
        )
        self.differ = None
        if self.reader is None:
            if full is None:
                raise InternalError(
                    "a query was to be decided from its state alone, without a reader of states"
                )
            return full
        fast = self.reader.margins(batch.states, batch.answers)
        open_ = (~(fast > 0)).nonzero().ravel()
        if open_.numel():
            fast[open_] = full_margins(self.model, batch.states[open_], batch.answers[open_], 1024)
        if full is None:
            return fast
        self.differ = (fast > 0) != (full > 0)
        return full

    def decide(self, batch: Batch, margins: Tensor) -> Tensor:
        """Note which queries have failed and which are undecided; return those that have failed
        now, bool (Q,).
        """
        if self.is_exact(batch):
            wrong, undecided = ~(margins > 0), torch.zeros_like(batch.failed)
        else:
            open_ = ~(batch.failed | batch.undecided)
            wrong, undecided = self.rounding.decide(
                margins, self.tokens(batch), batch.answers, open_
            )
        batch.failed |= wrong
        batch.undecided |= undecided
        if self.differ is not None and bool((self.differ & ~batch.undecided).any()):
            self.result.defect = (
                self.result.defect or "fast and full decisions differ on some query"
            )
        return wrong

    def is_exact(self, batch: Batch) -> bool:
        """Whether the logits of this batch are proven to be the same in whatever order they are
        computed.
        """
        return self.exactness.exact_product(batch.states, self.model.unembedding.weight)

    def tokens(self, batch: Batch) -> Tensor:
        """The sequences (Q, L) that were run, of queries that have neither failed nor were
        undecided before.
        """
        sequences, _ = self.model.training_examples(batch.subjects, batch.paths)
        return sequences[:, : self.rounding.prompt + batch.step - 1] if batch.step else sequences

    def also_called(self, batch: Batch) -> str | None:
        """Why `model(tokens)` is not what the states and the unembedding say, for some queries of
        a first batch.
        """
        length, count = self.rounding.prompt, len(batch.answers)
        most = max(1, min(ALSO_CALLED, MOST_CALLED // (length * self.model.shape.d_vocab)))
        some = torch.arange(0, count, -(-count // most), device=batch.answers.device)
        places = some.cpu().numpy()
        part = Batch(
            batch.states[some],
            batch.answers[some],
            batch.subjects[places],
            batch.paths[places],
            batch.failed[some],
            batch.undecided[some],
            step=batch.step,
        )
        called = self.model(self.tokens(part))[:, -1]
        own = called.gather(-1, part.answers[:, None])[:, 0]
        right = own > called.scatter(-1, part.answers[:, None], -torch.inf).amax(-1)
        same = ~((right == part.failed) & ~part.undecided).any()
        if self.is_exact(batch):
            same = same & (called == self.model.unembedding(part.states)).all()
        return (
            None
            if bool(same)
            else "model(tokens) has other logits than the states and the unembedding"
        )

    def why_undecided(self, facts: FactTable, batch: Batch, margins: Tensor) -> str:
        """Of the first undecided query of a batch."""
        place = int(batch.undecided.nonzero()[0])
        query, error = query_in_words(facts, batch, place), self.rounding.error
        known = (
            f"rounding is bounded by {error:.3g} for each logit"
            if error != float("inf")
            else "no bound by norms"
        )
        reported = (
            f"{query}: a margin of {margins[place].item():.3g}, but in another order of summation"
            " it may be lost or won"
        )
        return f"{reported} ({self.rounding.why or known})"


def full_margins(model: Answering, states: Tensor, answers: Tensor, rows: int) -> Tensor:
    """The module's own logits: the answer's minus the largest other one, float64 (Q,)."""
    pieces = []
    at_once = max(1, rows * model.shape.d_model // model.shape.d_vocab)
    for some, wanted in zip(
        torch.split(states, at_once), torch.split(answers, at_once), strict=True
    ):
        logits = model.unembedding(some)
        own = logits.gather(-1, wanted[:, None])[:, 0].double()
        # scatter hides the answer itself; amax passes a NaN anywhere else on to the margin
        others = logits.scatter_(-1, wanted[:, None], -torch.inf).amax(-1).double()
        pieces.append(own - others)
    return torch.cat(pieces)
