"""One pass of a language model, watched and shifted at one token of its residual stream.

The stream at layer l is what decoder layer l is given, l = 0 to n - 1, and at layer n what the
last one returns, before the final norm. Prompts are padded on their right, which a causal model
does not see. The unembedding reads only the positions that are asked for, so that logits of a
whole vocabulary are never held for all tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from verify.learned.decoder import Ints
from verify.learned.language_models.loading import LanguageModel

Change = Callable[[Tensor], Tensor]
"""The stream (Q, tokens, d) to what takes its place."""


@dataclass(frozen=True)
class Shift:
    """What is added to the stream.

    Attributes:
        layer: at which layer.
        places: at which token of each prompt, (Q,).
        by: (Q, d).
    """

    layer: int
    places: Ints
    by: Tensor

    def added(self, x: Tensor) -> Tensor:
        """The stream (Q, tokens, d) with it."""
        rows, at = torch.arange(len(x), device=x.device), torch.from_numpy(self.places)
        return x.index_put((rows, at.to(x.device)), self.by.to(x), accumulate=True)


@dataclass(frozen=True)
class Pass:
    """What a pass has shown.

    Attributes:
        logits: (Q, n, tokens), at the n positions that were asked for.
        states: what the unembedding read there, (Q, n, d_state).
        streams: the stream (Q, tokens, d) at the layers that were watched.
    """

    logits: Tensor
    states: Tensor
    streams: dict[int, Tensor]


def run(
    language: LanguageModel,
    tokens: Sequence[Sequence[int]],
    read: Sequence[Sequence[int]],
    *,
    watched: Sequence[int] = (),
    shift: Shift | None = None,
    gradients: bool = False,
) -> Pass:
    """Run Q prompts at once.

    Args:
        language: the model.
        tokens: of each prompt.
        read: n positions of each at which the unembedding reads.
        watched: layers whose stream is kept.
        shift: what is added to the stream.
        gradients: whether the streams are kept so that states can be differentiated by them.
    """
    length, device = max(map(len, tokens)), language.device
    padded = torch.zeros(len(tokens), length, dtype=torch.int64)
    mask = torch.zeros_like(padded)
    for row, (own, there) in enumerate(zip(tokens, mask, strict=True)):
        padded[row, : len(own)] = torch.tensor(own)
        there[: len(own)] = 1
    rows = torch.arange(len(tokens), device=device)
    kept: dict[int, Tensor] = {}
    seen: list[Tensor] = []

    def keep(layer: int) -> Change:
        """Keep the stream of a layer; the first one begins the gradients."""

        def change(x: Tensor) -> Tensor:
            """The stream that is kept is the one that goes on."""
            kept[layer] = x.detach().requires_grad_() if gradients and not layer else x
            return kept[layer]

        return change

    def narrowed(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of what the unembedding is given, the positions that are asked for."""
        at = torch.tensor([list(own) for own in read], device=given[0].device)
        seen.append(given[0][rows.to(at)[:, None], at])
        return (seen[-1], *given[1:])

    with ExitStack() as hooks:
        for layer in watched:
            hooks.enter_context(changed(language.layers, layer, keep(layer)))
        if shift is not None:
            hooks.enter_context(changed(language.layers, shift.layer, shift.added))
        handle = language.unembedding.register_forward_pre_hook(narrowed)
        hooks.callback(handle.remove)
        hooks.enter_context(torch.set_grad_enabled(gradients))
        found = language.model(
            input_ids=padded.to(device), attention_mask=mask.to(device), use_cache=False
        )
    return Pass(found.logits, seen[0], kept)


@contextmanager
def changed(layers: nn.ModuleList, layer: int, change: Change) -> Iterator[None]:
    """Within, the stream at a layer is what `change` makes of it."""

    def before(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        """What a layer is given."""
        if given:
            return (change(given[0]), *given[1:]), named
        return given, {**named, "hidden_states": change(named["hidden_states"])}

    def after(_: nn.Module, given: Any, found: Any) -> Any:
        """What the last layer returns."""
        return (change(found[0]), *found[1:]) if isinstance(found, tuple) else change(found)

    if layer < len(layers):
        handle = layers[layer].register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = layers[-1].register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()
