"""Follows one query through a model, block by block of the residual stream.

    found = shown(selector(facts), 3, [1])
    found.steps[0].rows[-1].held     # what the unembedding reads, block by block

Everything is computed from a forward pass (`Transformer.trace`) of the model as it is, so that an
edited weight shows; only the names of blocks are the builder's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from constructions.model.fact_model import FactModel
from constructions.model.step import Step
from constructions.model.trace import Trace
from verify.queries.claimed_blocks import Claims, Spelled
from verify.queries.followed import followed
from verify.queries.shown import Fired, Held, Look, Row, Shown, ShownStep
from verify.queries.shown_blocks import Block, Reader, Values, blocks, token_name

LEAST_WEIGHT = 0.005
"""Of attention that is shown."""


@torch.no_grad()
def shown(model: FactModel, subject: int, path: Sequence[int]) -> Shown:
    """Follow one query.

    Args:
        model: a construction, edited or not.
        subject, path: ids of an entity and of relations; of one where the model writes sets.

    Raises:
        InputError: the model answers no paths of this length, or an id is out of range.
    """
    asked = followed(model, subject, path)
    claims = Claims(model)
    found, cut = blocks(model, claims, asked.words)
    reader = Reader(model, claims)
    trace = model.trace(asked.tokens[None])
    steps = []
    for number, deciding in enumerate(range(asked.first, len(asked.tokens)), start=1):
        left = min(asked.per_token, max(0, len(path) - (number - 1) * asked.per_token))
        follower = _Follower(model, claims, reader, found, asked.tokens, trace)
        steps.append(follower.step(number, deciding, left))
    return Shown(
        name=model.construction,
        query=model.facts.query_text(subject, path),
        answer=asked.answer,
        right=asked.right,
        claimed=asked.claimed,
        d_model=model.shape.d_model,
        depth=model.shape.depth,
        blocks=tuple(found),
        cut=cut,
        steps=tuple(steps),
    )


@dataclass(frozen=True)
class _Follower:
    """What is needed to describe the steps of one forward pass."""

    model: FactModel
    claims: Claims
    reader: Reader
    blocks: list[Block]
    tokens: Tensor
    trace: Trace

    def step(self, number: int, deciding: int, left: int) -> ShownStep:
        """All that leads to the token of this number, which follows this position, with so many
        letters left.
        """
        looks = tuple(self._look(step, deciding) for step in self.reader.steps if not step.units)
        fired = tuple(self._fired(step, deciding) for step in self.reader.steps if step.units)
        positions = sorted({deciding, *(at for look in looks for at, _ in look.looked)})
        rows = [self._row("embedding", position) for position in positions]
        before = rows[-1]
        is_code = self._embedded(deciding)
        for index, layer in enumerate(self.model.layer_sequence()):
            kept = self.claims.kept(index, left)
            labels = None if kept is None else self._labels(kept)
            if layer.attention is not None:
                here = [look for look in looks if look.layer == index]
                is_code = is_code | self._copied(rows, here)
                ends = labels if layer.mlp is None else None
                row = self._row(f"layers.{index}.mid", deciding, before, is_code, ends)
                row = _moved(row, [*rows[: len(positions)], before], ends)
                if layer.mlp is None or _values(row) != _values(before):
                    rows.append(row)
                before = row
            is_code = set(labels or ())
            if layer.mlp is not None:
                row = self._row(f"layers.{index}.post", deciding, before, is_code, labels)
                before = _moved(row, [*rows[: len(positions)], before], labels)
                rows.append(before)
        names = tuple(token_name(self.model, token) for token in self.tokens.tolist())
        return ShownStep(number, names, tuple(rows), looks, fired, *self._logits(deciding))

    def _stream(self, point: str, position: int) -> Values:
        """The residual stream there."""
        found: Values = self.trace.residual[point][0, position].double().cpu().numpy()
        return found

    def _row(
        self,
        point: str,
        position: int,
        before: Row | None = None,
        is_code: set[int] | None = None,
        labels: dict[int, str] | None = None,
    ) -> Row:
        """The stream at one point and position.

        Args:
            point, position: where.
            before: the row of this position before it.
            is_code: the first columns of the blocks in which zeros are a code; by default those of
                which an embedding of an entity claims it.
            labels: by the first column, whose code the builder claims; None if he claims
                nothing of this row.
        """
        stream = self._stream(point, position)
        token = int(self.tokens[position])
        if is_code is None:
            is_code = self._embedded(position)
        held = []
        for index, block in enumerate(self.blocks):
            values = stream[list(block.columns)]
            text, kind = self.reader.text(block, values, block.columns[0] in is_code)
            was = None if before is None else before.held[index]
            label = (labels or {}).get(block.columns[0])
            cleared = was is not None and bool(was.values.any()) and not values.any()
            left_over = kind in ("entity", "near") and label is None
            if labels is None:  # as before this step, where it is the same
                same = was is not None and np.array_equal(was.values, values)
                left_over = left_over and same and was is not None and was.left_over
            held.append(Held(values, text, kind, label, cleared, left_over))
        return Row(point, position, token_name(self.model, token), tuple(held))

    def _embedded(self, position: int) -> set[int]:
        """The first columns of the blocks in which the embedding at a position has codes of
        entities: all that the builder claims, if it has any and is no relation's.
        """
        if int(self.tokens[position]) in self.model.vocabulary.relations:
            return set()
        stream = self._stream("embedding", position)
        columns = [c for s in self.claims.subject for c in range(s.start, s.stop)]
        claimed = set(columns) if stream[columns].any() else set()
        return {block.columns[0] for block in self.blocks} & claimed

    def _copied(self, rows: list[Row], looks: list[Look]) -> set[int]:
        """Where zeros are a code after attention: in the slots to which a head copies codes; where
        it copies a slot to itself, in those blocks in which it has seen a code of zeros.
        """
        found: set[int] = set()
        for look in looks:
            seen = {position for position, _ in look.looked}
            there = [row for row in rows if row.point == "embedding" and row.position in seen]
            codes = [
                (block, row.held[index].values)
                for row in there
                for index, block in enumerate(self.blocks)
                if block.slot in look.reads and row.held[index].kind == "entity"
            ]
            of_zeros = {block for block, values in codes if not values.any()}
            found |= {
                block.columns[0]
                for block in self.blocks
                if codes and block.slot in look.writes
                if block.slot not in look.reads or block in of_zeros
            }
        return found

    def _labels(self, kept: list[Spelled]) -> dict[int, str]:
        """Whose codes a pass keeps, by the first columns of the blocks."""
        labels = {}
        for spelled in kept:
            width = (spelled.stop - spelled.start) // len(spelled)
            for block in self.blocks:
                start = block.columns[0]
                if spelled.start <= start < spelled.stop:
                    word = spelled.word((start - spelled.start) // width)
                    labels[start] = self.claims.text(word)
        return labels

    def _look(self, step: Step, deciding: int) -> Look:
        """What a head of the deciding position looks at."""
        pattern = self.trace.patterns[f"layers.{step.layer}"][0, step.head, deciding].tolist()
        order = sorted(range(len(pattern)), key=lambda at: -pattern[at])
        looked = tuple((at, pattern[at]) for at in order[:3] if pattern[at] >= LEAST_WEIGHT)
        return Look(step.layer, step.head or 0, step.name, step.reads, step.writes, looked)

    def _fired(self, step: Step, deciding: int) -> Fired:
        """How many units of a group fire at the deciding position."""
        mlp = self.model.layer_sequence()[step.layer].mlp
        if mlp is None or step.units is None or step.hidden_layer is None:
            return Fired(step.layer, step.name, 0, 0, ())
        hidden = self.trace.residual[f"layers.{step.layer}.mid"][0, deciding]
        for depth in range(step.hidden_layer + 1):
            hidden = (mlp.matrix(depth) @ (hidden.relu() if depth else hidden)).detach()
        units = list(step.units)
        on = (hidden[units] > 0).cpu().numpy()
        by_block: dict[str, tuple[int, int]] = {}
        if step.hidden_layer == 0:
            weights = (mlp.matrix(0)[units] != 0).cpu().numpy()
            for block in self.blocks:
                if block.form is not None and block.label:
                    reads = weights[:, list(block.columns)].any(1)
                    by_block[block.label] = int((on & reads).sum()), int(reads.sum())
        shown_units = sum(units for _, units in by_block.values())
        parts = tuple((label, fired, read) for label, (fired, read) in by_block.items() if read)
        if shown_units < len(units):
            parts = ()
        return Fired(step.layer, step.name, int(on.sum()), len(units), parts)

    def _logits(
        self, deciding: int
    ) -> tuple[tuple[tuple[str, float], ...], tuple[tuple[float, float], ...]]:
        """The three largest logits, and what each block adds to the first two."""
        logits = self.trace.logits[0, deciding].double()
        best = logits.topk(min(3, len(logits))).indices.tolist()
        state = self.trace.residual[f"layers.{self.model.shape.depth - 1}.post"][0, deciding]
        rows = self.model.unembedding.weight[best[:2]].double() * state.double()
        read = []
        for block in self.blocks:
            sums = rows[:, list(block.columns)].sum(1).tolist()
            read.append((sums[0], sums[-1]))
        named = tuple((token_name(self.model, token), float(logits[token])) for token in best)
        return named, tuple(read)


def _moved(row: Row, sources: list[Row], labels: dict[int, str] | None) -> Row:
    """The row in which blocks that hold a known code, and one number added to all of it, are named
    after that code: it stands in the same block of one of the sources, or it is named so there.

    Args:
        row: with numbers where a code was changed.
        sources: rows before it.
        labels: as in `_Follower._row`.
    """
    held = list(row.held)
    for index, one in enumerate(row.held):
        for source in (before.held[index] for before in sources):
            added = np.unique(one.values - source.values)
            text = source.text
            if source.kind == "entity" and len(added) == 1:
                text = f"{source.text} {'-' if added[0] < 0 else '+'} {abs(added[0]):g}"
            elif source.kind != "moved" or added.any():
                continue
            if one.kind == "numbers":
                held[index] = replace(one, text=text, kind="moved", left_over=labels is not None)
    return replace(row, held=tuple(held))


def _values(row: Row) -> list[bytes]:
    """The numbers of a row, to be compared."""
    return [held.values.tobytes() for held in row.held]
