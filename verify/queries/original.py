"""A model whose logits others are held against: another tool's, or those of another form."""

from __future__ import annotations

from torch import Tensor

from constructions.model.answering import Answering
from verify.queries.batches import last_states, prefix_reader


class Original:
    """A model that is run as `check_recall` runs it: what sequences begin with once."""

    def __init__(self, model: Answering):
        self.model, self._read = model, prefix_reader(model)

    def logits(self, tokens: Tensor) -> Tensor:
        """Its logits (Q, d_vocab) after sequences (Q, L), int64; both on the CPU."""
        logits: Tensor = self.model.unembedding(last_states(self.model, tokens, self._read))
        return logits.cpu()


def difference(logits: Tensor, expected: Tensor) -> float:
    """The largest |logit - expected logit|, over the tokens that are expected; NaN if any is."""
    here = logits[:, : expected.shape[-1]]
    return (here.double() - expected.double()).abs().max().item()
