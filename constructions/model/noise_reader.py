"""A transformer that reads prompts with noise tokens: what
`constructions.theorems.noise_tokens.read_among_noise` returns.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from constructions.facts.noise_prompts import NoisePrompts
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.stated import Stated, Stating, require_arithmetic
from constructions.model.transformer import TRANSFORMER, Transformer


class NoiseReader(Stating):
    """A construction that reads prompts with noise tokens.

    Attributes:
        network: the transformer; it is read after the end token, at the last position.
        prompts: the tokens, and how prompts are made.
        construction: the name of the construction that it was made of.
        facts: what it answers.
        stored_only: whether it claims stored facts alone.
    """

    may_raise: ClassVar = frozenset({"margin"})

    def __init__(
        self, network: Transformer, prompts: NoisePrompts, model: FactModel | NoiseReader
    ):
        super().__init__()
        self.network = network
        self.prompts = prompts
        self.construction: str = model.construction
        self.stored_only: bool = model.stored_only
        self.facts: FactTable = model.facts
        self._margin: Stated[MarginClaim | None] | None = None

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits after the end token: int64 (..., T) to (..., d_vocab)."""
        states, _ = self.network.states(self.padded(tokens))
        logits: Tensor = self.network.unembedding(states[..., -1, :])
        return logits

    def padded(self, tokens: Tensor) -> Tensor:
        """Prompts (..., T), filled up with end tokens on the left: (..., L)."""
        missing = self.prompts.padded_length - tokens.shape[-1]
        if missing < 0:
            raise InputError(
                f"prompts of {tokens.shape[-1]} tokens are too long: this reader takes"
                f" {self.prompts.length}"
            )
        return nn.functional.pad(tokens, (missing, 0), value=self.prompts.end)

    @torch.no_grad()
    def answer(self, tokens: ArrayLike | Tensor) -> np.ndarray:
        """What it says after prompts: the argmax over the whole vocabulary.

        Args:
            tokens: integers (..., T), as `prompts.tokens` makes them.

        Returns:
            Entity ids int64 (...); -1 is *unknown*, or a token that names no entity.

        Raises:
            InputError: one of them is no such prompt; see `NoisePrompts.queries`.
        """
        asked = np.asarray(tokens.cpu() if isinstance(tokens, Tensor) else tokens)
        self.prompts.queries(asked)
        device = self.network.embedding.weight.device
        said = self(torch.from_numpy(asked.astype(np.int64)).to(device)).argmax(-1)
        return self.prompts.vocabulary.answers(said.cpu().numpy())

    @property
    def margin(self) -> MarginClaim | None:
        """What is proven of the logits of all prompts, for the weights, the dtype and the
        arithmetic at hand; None where nothing is known of the construction that it was made of.

        Raises:
            InputError: the module has changed since it was made, or torch does not compute in its
                dtype here.
        """
        if self._margin is None:
            return None
        claim = self._margin.of(self, "the margin")
        require_arithmetic(self.network, "the margin", TRANSFORMER)
        return claim

    def state(self, margin: MarginClaim | None) -> None:
        """State what is proven of the module as it is now."""
        self._margin = Stated(self, margin)
