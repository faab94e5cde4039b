"""A language model whose streams, units and attention are watched layer by layer, at the subject's
last token and at the end of the prompt: what `verify.learned.fitted_showing` follows.

The stream at layer 0 is called the embedding, at layer l what layer l - 1 leaves. Attention is
known of models that return it (`output_attentions`); of others no head is shown.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verify.learned.decoder import Floats, Ints, pieces
from verify.learned.language_models.layer_decoder import LayerDecoder
from verify.learned.language_models.passes import run
from verify.learned.language_models.units import n_units, units_of
from verify.learned.seen import END, SUBJECT, Place, Prompt, Seen, joined


@dataclass(frozen=True)
class WatchedLanguageModel(LayerDecoder):
    """`Seeable`, with the states of subjects at layer 0 as rows."""

    layer: int = 0

    def seen(self, subjects: Ints, relations: Ints) -> Seen[Floats]:
        """All that can be watched of queries (Q,)."""
        batch = self.known.language.batch
        return joined(
            [self._seen(subjects[p], relations[p]) for p in pieces(len(subjects), batch)]
        )

    def _seen(self, subjects: Ints, relations: Ints) -> Seen[Floats]:
        """Of queries that are run at once."""
        language, asked = self.known.language, self.known.asked
        tokens = [asked.tokens[r][s] for r, s in zip(relations, subjects, strict=True)]
        last = np.array([len(own) - 1 for own in tokens])
        rows = np.arange(len(tokens))
        d_model = self.known.streams.shape[-1]
        with ExitStack() as hooks:
            watched = [
                (layer, hooks.enter_context(units_of(module, d_model)))
                for layer, module in enumerate(language.layers)
                if n_units(module, d_model) is not None
            ]
            done = run(
                language,
                tokens,
                [[int(place)] for place in last],
                watched=range(len(language.layers) + 1),
            )
        at = asked.places[relations, subjects]
        streams = {}
        for layer, stream in sorted(done.streams.items()):
            point = f"layers.{layer - 1}.post" if layer else "embedding"
            if (at != last).any() and layer < len(language.layers):
                streams[Place(point, SUBJECT)] = _numbers(stream[rows, at])
            streams[Place(point, END)] = _numbers(stream[rows, last])
        streams[Place("final", END)] = _numbers(done.states[:, 0])
        hidden = [(layer, _numbers(units[0][rows, last])) for layer, units in watched]
        return Seen(streams, hidden, [])

    def prompt(self, subject: int, relation: int) -> Prompt:
        """The tokens of one prompt, and what the last of them attends to."""
        language, asked = self.known.language, self.known.asked
        own = asked.tokens[relation][subject]
        names = tuple(language.tokenizer.decode([token]).strip() for token in own)
        return Prompt(names, len(own), int(asked.places[relation, subject]), self._patterns(own))

    def _patterns(self, own: list[int]) -> list[tuple[int, Floats]]:
        """For each layer that returns it the attention (n_heads, L) from the end of a prompt."""
        model: Any = self.known.language.model
        before = getattr(model.config, "_attn_implementation", None)
        if before is None or not hasattr(model, "set_attn_implementation"):
            return []
        try:
            model.set_attn_implementation("eager")  # which computes it, as others do not
            tokens = torch.tensor([own], device=self.known.language.device)
            with torch.no_grad():
                found = model(input_ids=tokens, use_cache=False, output_attentions=True).attentions
        except (ValueError, NotImplementedError):  # of a model that has no such attention
            return []
        finally:
            model.set_attn_implementation(before)
        return [
            (layer, _numbers(pattern[0, :, -1]))
            for layer, pattern in enumerate(found or ())
            if pattern is not None
        ]


def _numbers(tensor: Tensor) -> Floats:
    """A tensor as float64 in numpy."""
    found: Floats = torch.Tensor.detach(tensor).double().cpu().numpy()
    return found
