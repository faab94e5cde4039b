"""A standard decoder in which a construction stands: it answers, states what is proven of it, and
knows where the construction lies.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.keeping import draw_entries, slow_entries
from constructions.decoders.standard_decoder import STANDARD_DECODER, StandardDecoder
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.rebuild import planned
from constructions.model.stated import Stated, Stating, Value, require_arithmetic
from constructions.model.step import Step


class Bounds(NamedTuple):
    """What is proven of a standard decoder in which a construction stands: see `StandardModel`.

    The first two are None where the slack is too small for a bound.
    """

    distortion: Fraction | None
    logit_error: float | None
    margin: MarginClaim | None


class StandardModel(Stating, StandardDecoder, Answering):
    """A standard decoder in which a construction stands. It shares its modules with the decoder it
    was made from.

    Attributes:
        construction: its name in the catalogue.
        embedding_map: which columns, heads and units the construction has; see `EmbeddingMap`.
        slack: k, where norms act on vectors with a slack of 2^k; None without norms.
        rest_gain: what norms multiply the rest of the stream by, beside the gains it came with;
            see `constructions.decoders.seeding`.
        stream_scale, logit_scale: what the construction's numbers in the stream, and its logits,
            are multiplied by: powers of two.
    """

    embedding_map: EmbeddingMap
    slack: int | None
    rest_gain: float
    stream_scale: int
    logit_scale: int
    _stated: Stated[Bounds]
    may_raise: ClassVar = frozenset({"distortion", "logit_error", "margin"})

    def __init__(self, decoder: StandardDecoder, model: FactModel):
        nn.Module.__init__(self)
        self.shape = decoder.shape
        for name, module in decoder.named_children():
            self.add_module(name, module)
        self.construction = model.construction
        self.vocabulary, self.facts = model.vocabulary, model.facts
        self.hops, self.hops_per_token = model.hops, model.hops_per_token
        self.stored_only = model.stored_only
        recipe = getattr(model, "recipe", None)
        self._origin = recipe, model.codebooks, model.embedding.weight.dtype

    @property
    def distortion(self) -> Fraction:
        """In real arithmetic each norm multiplies what the construction reads of a position by a
        factor within `distortion` of 1; one factor for all coordinates of a position, whatever the
        tokens. 0 without norms.

        Raises:
            InputError: as `logit_error`.
        """
        return self._bounded("the distortion", lambda bounds: bounds.distortion)

    @property
    def logit_error(self) -> float:
        """How far any logit of this module at a position that answers, rounding included, may be
        from `logit_scale` times the construction's logit in real arithmetic. 0 where every number
        that leads there is provably the construction's own, so multiplied. Of a construction that
        was edited before (`proven=False`): from its own logit.

        Raises:
            InputError: the module has changed since this was proven, or torch does not compute in
                its dtype here, and what has changed is named; or the slack is too small for a
                bound.
        """
        return self._bounded("the error of the logits", lambda bounds: bounds.logit_error)

    @property
    def margin(self) -> MarginClaim | None:
        """What is proven of the logits: `logit_scale` times the construction's margin, less twice
        the `logit_error` where that is not 0; None if nothing is left, or was proven of the
        construction.

        Raises:
            InputError: as `logit_error`.
        """
        return self._found("the margin").margin

    def _bounded(self, name: str, bound: Callable[[Bounds], Value | None]) -> Value:
        """A bound that there is none of where the slack is too small."""
        found = bound(self._found(name))
        if found is None:
            raise InputError(
                f"{name} is not bounded: with a slack of 2^{self.slack} norms after each part are"
                " no identities"
            )
        return found

    def _found(self, name: str) -> Bounds:
        """What was proven, if it still holds of the module."""
        found = self._stated.of(self, name)
        require_arithmetic(self, name, STANDARD_DECODER)
        return found

    def state(self, bounds: Bounds) -> None:
        """State what is proven of the module as it is now."""
        self._stated = Stated(self, bounds)

    def source(self) -> FactModel:
        """The construction that was written into this decoder, built anew by its builder.

        Raises:
            InputError: no builder has made it.
        """
        recipe, codebooks, dtype = self._origin
        if recipe is None:
            raise InputError(
                f"no builder has made the {self.construction} in this decoder, so that it cannot"
                " be made again"
            )
        made: FactModel = planned(recipe, self.facts, codebooks, dtype).build()
        return made

    def steps(self) -> list[Step]:
        """What each head and each group of units of the construction does, in the order in which
        it happens; layers, heads and units are numbered as this decoder has them.

        Raises:
            InputError: the weights have changed since the construction was written, or it was
                trained or edited before: what such weights do is not known.
        """
        self._stated.of(self, "the mechanism")
        if self.embedding_map.steps is None:
            raise InputError(
                f"the {self.construction} in this decoder was trained or edited before it was"
                " written here: what its weights do is not known"
            )
        return list(self.embedding_map.steps)

    def slot_state(self, states: Tensor, slot: str) -> Tensor:
        """What a slot of the construction holds in states (..., d_model): (..., *slot shape), as
        `FactModel.slot_state`.
        """
        columns = torch.from_numpy(self.embedding_map.slot(slot)).to(states.device)
        return states[..., columns] / self.stream_scale

    def set_slot(self, states: Tensor, slot: str, value: Tensor | float) -> Tensor:
        """The same states with another value in a slot, and in its mirror if it has one: as
        `FactModel.set_slot`.
        """
        columns, changed = torch.from_numpy(self.embedding_map.slot(slot)), states.clone()
        written = torch.as_tensor(value, device=states.device).to(states) * self.stream_scale
        changed[..., columns.to(states.device)] = written
        if len(self.embedding_map.mirror):
            mirrors = torch.from_numpy(self.embedding_map.mirror)[
                columns - int(self.embedding_map.columns[0])
            ]
            changed[..., mirrors.to(states.device)] = -written
        return changed

    def keep_slack_unread(self) -> None:
        """Keep the weights that read the slack at 0 while training, by hooks on their gradients.

        Needed with post-norm alone, where 2^k would multiply each step of an optimizer; with
        pre-norm nothing sees the slack.
        """
        slack = torch.from_numpy(self.embedding_map.slack).to(self.embedding.weight.device)
        # (torch gives register_hook no types)
        for weight in self.readers():
            weight.register_hook(lambda gradient: gradient.index_fill(1, slack, 0))  # type: ignore[no-untyped-call]

    def construction_entries(self) -> dict[str, Tensor]:
        """Which entries of each parameter make up the construction, as bool tensors by name: its
        tokens' rows of the unembedding, and in all others whatever lies in its columns, reads for
        its heads and units, or reads the slack.

        While they stay as they are, so do the logits of its own tokens (with norms: while the rest
        of the stream stays small against the slack). Those of further tokens may come to exceed
        them.
        """
        embedding_map, d_head = self.embedding_map, self.shape.d_head
        own, slack = torch.from_numpy(embedding_map.own), torch.from_numpy(embedding_map.slack)
        entries = {
            name: torch.zeros(p.shape, dtype=torch.bool, device="cpu")
            for name, p in self.named_parameters()
        }
        for name, mask in entries.items():
            if mask.dim() == 1 or name.startswith(("embedding", "positions", "unembedding")):
                mask[..., own] = True  # norms and tables
            elif name.endswith(("output.weight", "weights.1.weight")):
                mask[own] = True
            else:
                mask[:, slack] = True
        for index, heads, units in zip(
            embedding_map.blocks, embedding_map.heads, embedding_map.units, strict=True
        ):
            for name in ("query", "key", "value"):
                entries[f"blocks.{index}.attention.{name}.weight"][: len(heads) * d_head] = True
            entries[f"blocks.{index}.mlp.weights.0.weight"][:units] = True
        entries["embedding.weight" if self.shape.tied else "unembedding.weight"][
            : embedding_map.d_vocab
        ] = True
        return entries

    def hold_construction(self) -> None:
        """Keep the construction as it is while the rest is trained: its entries get no gradient
        (use no weight decay).
        """
        for name, mask in self.construction_entries().items():
            parameter = self.get_parameter(name)
            here = mask.to(parameter.device)
            parameter.register_hook(partial(Tensor.masked_fill, mask=here, value=0))  # type: ignore[no-untyped-call]

    def slow_construction(self, optimizer: Optimizer, share: float) -> None:
        """From now on each step of this optimizer moves the construction's entries by `share`
        times what it would, decay included; with share 0 they do not change by a bit.

        Guaranteed: if no step alone moves an entry by more than s, all of them are after T steps
        within `share T s` of where they were, but for rounding; AdamW without decay has s at most
        7.28 times its rate (`constructions.decoders.keeping`). That answers stay is not: see
        docs/seeding.md for what was measured.

        Raises:
            InputError: the share is not from 0 to 1, or the optimizer has other parameters.
        """
        slow_entries(optimizer, self._entries(), share)

    def draw_construction(self, optimizer: Optimizer, pull: float) -> None:
        """From now on, after each step of this optimizer, the way of the construction's entries
        from where they are now is multiplied by `1 - pull`: decay towards the seed.

        Guaranteed: if no step alone moves an entry by more than s, all of them stay within
        `(1 - pull) / pull s` of where they are now, but for rounding, however many steps there
        are; s as in `slow_construction`. That answers stay is not.

        Raises:
            InputError: the pull is not from 0 to 1, or the optimizer has other parameters.
        """
        draw_entries(optimizer, self._entries(), pull)

    def _entries(self) -> list[tuple[Tensor, Tensor]]:
        """Each parameter with its entries that are the construction's."""
        return [
            (self.get_parameter(name), mask) for name, mask in self.construction_entries().items()
        ]
