"""The weights of a reader of prompts with noise tokens, as integers: what
`verify.queries.noise_proof` computes with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from constructions.decoders.plain import why_not_plain
from constructions.model.as_written import why_not_plain_part
from constructions.model.noise_reader import NoiseReader
from verify.kernel.arithmetic import grown, small, times, upward
from verify.kernel.verdict import Undecided, require

Integers = NDArray[np.float64]
"""Integers below 2^52 in absolute value, as float64."""


class NoiseWeights:
    """The weights of a network of one layer: integers, but for the rows of noise tokens."""

    def __init__(self, reader: NoiseReader):
        why = why_not_plain(reader.network)
        require(why is None, f"the network is not what its weights say: {why}", Undecided)
        fresh = NoiseReader(reader.network, reader.prompts, reader)
        why = why_not_plain_part(reader, fresh)
        require(why is None, f"the reader is not as it was made: {why}", Undecided)
        self.prompts = reader.prompts
        vocabulary = self.prompts.vocabulary
        self.asked = np.concatenate([vocabulary.entities, vocabulary.relations])
        shape, tokens = reader.network.shape, len(reader.prompts)
        layer = reader.network.layer_sequence()[0] if shape.depth == 1 else None
        attention = layer.attention if layer is not None else None
        if layer is None or attention is None or attention.scaled or shape.n_positions:
            raise Undecided(
                f"the network has {shape.depth} layers and {shape.n_positions} positions; one with"
                " heads of unscaled scores, and none, are understood"
            )
        require(
            shape.d_vocab == tokens,
            f"the network has {shape.d_vocab} tokens, and prompts are made of {tokens}",
            Undecided,
        )
        self.embedding = _numbers(reader.network.embedding.weight)
        noise = reader.prompts.noise
        self.noise_rows = self.embedding[noise]
        self.embedding[noise] = 0  # the integers: noise is looked at by itself
        self.key, self.query, self.value, self.output = (
            _numbers(part.weight)
            for part in (attention.key, attention.query, attention.value, attention.output)
        )
        self.mlp = (
            [_numbers(layer.mlp.matrix(i)) for i in range(len(layer.mlp.weights))]
            if layer.mlp is not None
            else []
        )
        self.unembedding = _numbers(reader.network.unembedding.weight)
        self.heads = [head.d_qk for head in attention.heads]
        parts = self.embedding, self.key, self.query, self.value, self.output, *self.mlp
        for part in (*parts, self.unembedding):
            require((part == np.rint(part)).all(), "a weight is no integer", Undecided)
            small(part)
        require(np.isfinite(self.noise_rows).all(), "a noise row is not finite", Undecided)
        self.copied = times(times(self.embedding, self.value), self.output)

    def logits(self, state: Integers) -> Integers:
        """The logits (Q, d_vocab) of a multiple of states after attention, by the same
        multiple.
        """
        hidden = state
        for i, matrix in enumerate(self.mlp):
            hidden = times(np.maximum(hidden, 0) if i else hidden, matrix)
        return times(small(state + hidden) if self.mlp else state, self.unembedding)

    def moved_logits(self, moved: Integers) -> float:
        """By how much a difference of two logits moves at most, if no coordinate of the state
        after attention moves by more than `moved` (d,).
        """
        hidden = moved
        for matrix in self.mlp:
            hidden = grown(hidden, matrix)
        spread = self.unembedding.max(0) - self.unembedding.min(0)
        return float(grown(upward(moved + hidden) if self.mlp else moved, spread[None])[0])

    def gap(self) -> int | None:
        """By how much subjects and relations score above all other tokens at the end token, in
        every head; None where all tokens score alike.
        """
        at, gaps = 0, set()
        for width in self.heads:
            key, query = (part[at : at + width] for part in (self.key, self.query))
            at += width
            asking = times(self.embedding[self.prompts.end], query)
            form = times(asking, key.T)  # (d,), the score of a row
            read = self.noise_rows[:, form != 0]
            require((read == np.rint(read)).all(), "a noise row scores no integer", Undecided)
            noise = times(np.where(form != 0, self.noise_rows, 0), form[None])[:, 0]
            scores = times(self.embedding, form[None])[:, 0]
            asked, others = scores[self.asked], np.append(noise, scores[self.prompts.end])
            require(
                (asked == asked[0]).all(),
                "subjects and relations do not score alike at the end token",
                Undecided,
            )
            gap = asked[0] - others.max()
            uniform = bool((others == asked[0]).all())
            require(
                uniform or gap > 0,
                "at the end token some noise token scores as high as subjects and relations",
                Undecided,
            )
            gaps.add(None if uniform else int(gap))
        require(
            len(gaps) == 1,
            f"the heads select by different gaps, {sorted(map(str, gaps))}",
            Undecided,
        )
        gap_of_all: int | None = gaps.pop()
        require(
            gap_of_all is None or len(self.heads) == 1,
            f"{len(self.heads)} heads select by a gap, and each leaks its own share: one is"
            " understood",
            Undecided,
        )
        return gap_of_all

    def noise_copied(self) -> Integers:
        """The largest absolute values of what the heads copy of noise tokens, (V, d), rounded
        up.
        """
        rows = np.ceil(np.abs(self.noise_rows))
        for matrix in (self.value, self.output):
            rows = upward(rows @ np.abs(matrix).T)
        return rows

    def sums(self, uniform: bool) -> tuple[float, float]:
        """What rounding depends on, at the end token: the largest sum of absolute values of terms,
        in units that divide all of them, and the largest one in units of 1.

        Args:
            uniform: whether all tokens of a prompt have the same weight, or subject and relation
                have half of it each.
        """
        n, scale, sums = self.prompts.vocabulary.n_entities, 2, self._of_scores()
        embedded = np.abs(self.embedding)
        noise = np.abs(self.noise_rows).max(0, initial=0)
        every = grown(np.maximum(embedded.max(0), noise), self.value)
        largest = [
            grown(rows.max(0), self.value) for rows in (embedded[:n], embedded[self.asked[n:]])
        ]
        mixed = largest[0] + largest[1]
        if uniform:
            length, padded = self.prompts.length, self.prompts.padded_length
            scale = padded
            mixed = mixed + (length - 3) * grown(noise, self.value)
            mixed = mixed + (padded - length + 1) * grown(embedded[self.prompts.end], self.value)
        grid = _unit(self.value) / scale
        sums += [(every, _unit(self.value)), (mixed / scale, grid)]
        written = grown(mixed / scale, self.output)
        sums.append((written, grid * _unit(self.output)))
        grid = min(1.0, grid * _unit(self.output))
        stream = hidden = written + embedded[self.prompts.end]
        of_hidden = grid
        for matrix in self.mlp:
            hidden, of_hidden = grown(hidden, matrix), of_hidden * _unit(matrix)
            sums.append((hidden, of_hidden))
        if self.mlp:
            stream = stream + hidden
        sums.append((stream, grid := min(grid, of_hidden)))
        sums.append((grown(stream, self.unembedding), grid * _unit(self.unembedding)))
        peak = max(float(size.max(initial=0)) / unit for size, unit in sums)
        return peak, max(float(size.max(initial=0)) for size, _ in sums)

    def keys_read_integers(self) -> bool:
        """Whether what keys read of noise tokens are integers."""
        read = self.noise_rows[:, (self.key != 0).any(axis=0)]
        return bool((read == np.rint(read)).all())

    def _of_scores(self) -> list[tuple[Integers, float]]:
        """Of keys, of the end token's query and of its scores: bounds on the sums of absolute
        values of terms, and a unit that divides these.
        """
        rows = np.maximum(np.abs(self.embedding), np.abs(self.noise_rows).max(0, initial=0)).max(0)
        end, at, sums = np.abs(self.embedding[self.prompts.end]), 0, []
        for width in self.heads:
            key, query = (part[at : at + width] for part in (self.key, self.query))
            at += width
            keys, asking = grown(rows, key), grown(end, query)
            of_keys, of_query = float(_unit(key)), float(_unit(query))
            sums += [(keys, of_keys), (asking, of_query)]
            sums.append((grown(keys, asking[None]), of_keys * of_query))
        return sums


def _numbers(weight: Tensor) -> NDArray[np.float64]:
    """A weight in float64."""
    numbers: NDArray[np.float64] = weight.detach().cpu().double().numpy().copy()
    return numbers


def _unit(matrix: NDArray[np.float64]) -> int:
    """The power of two that divides all entries of an integer matrix; 1 if all are 0."""
    bits = int(np.bitwise_or.reduce(matrix.astype(np.int64), axis=None, initial=0))
    return bits & -bits or 1
