"""What the embedding of every entity holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.kernel.verdict import Refuted, require
from verify.reading.stored import integers
from verify.reading.wording import shown
from verify.symbolic.layouts import Block, Books, Layout, Words, layout_of, read_blocks
from verify.symbolic.reading import Model, differing, stored_as
from verify.symbolic.unmet import Unmet
from verify.symbolic.values import product, segments


@dataclass(frozen=True)
class Subject:
    """The embedding of an entity, whichever it is.

    Attributes:
        blocks, layout: which columns hold codes, as seen from the entity itself.
        row: int64 (d,), what all entities have; where a code is spelled, its `off`.
        sizes: int64 (d,), the largest absolute value of each column.
    """

    blocks: list[Block]
    layout: Layout
    row: np.ndarray
    sizes: np.ndarray

    @property
    def columns(self) -> np.ndarray:
        """The columns that spell codes."""
        return np.flatnonzero(self.layout.length >= 0)


@dataclass(frozen=True)
class _Spelled:
    """A block, and the nodes whose codes it spells: int64 (words, rows)."""

    block: Block
    nodes: np.ndarray


def prove_subject(claimed: Any, model: Model, books: Books, words: Words) -> Subject:
    """The embedding of every entity spells the codes of the nodes that its words lead to, and is
    constant elsewhere (Lemma S2).

    The code of a node is read where it is spelled first; it must be the same wherever that node is
    reached.
    """
    blocks = read_blocks(claimed, "subject", model, books)
    missing = [book for book, bits in enumerate(books.bits) if bits is None]
    require(not missing, f"subject: no block is of the books {shown(missing)}")
    known = model.n
    if model.chain and model.some_missing:  # the token *unknown* is written, and read again
        known = model.n + 1
    row_of = np.append(np.arange(model.n), model.n + model.n_relations)[:known]
    spelled = []
    for block in blocks:
        spelled.append(_Spelled(block, words.some(block.length, block.words)[:, :known]))
        _read_numbers(spelled[-1], model, books, row_of)
    _add_unknown(model, books)
    layout, first = layout_of(blocks, books, model.d), model.rows("embedding", slice(1))[0]
    row = np.where(layout.length < 0, first, layout.off)
    most = row + np.where(layout.length < 0, 0, layout.scale * layout.top)
    _compare(model, books, layout, spelled, row_of)
    return Subject(blocks, layout, row, np.maximum(np.abs(row), np.abs(most)))


def _read_numbers(spelled: _Spelled, model: Model, books: Books, row_of: np.ndarray) -> None:
    """Take the numbers of nodes that have none yet from where a block spells them first
    (Lemma S2).
    """
    block, numbers = spelled.block, books.numbers[spelled.block.book]
    m = max(block.bits, 1)
    for at, nodes in zip(block.columns[::m], spelled.nodes, strict=True):
        if (numbers[: model.n] >= 0).all():
            break
        new = np.flatnonzero(numbers[nodes] < 0)
        held = model.gathered("embedding", row_of[new], slice(at, at + m))
        held = integers(held, "embedding.weight")
        held = held + 1 >> 1 if block.form == "signs" else held
        number = product(held, books.base[block.book] ** np.arange(m))
        require((number >= 0).all(), f"subject: {block} holds a negative number")
        numbers[nodes[new]] = number


def _add_unknown(model: Model, books: Books) -> None:
    """The numbers of *unknown* are the claimed ones; all numbers have as many bits as their
    book (Lemma S2).
    """
    for book, (claimed, numbers) in enumerate(zip(books.unknown, books.numbers, strict=True)):
        numbers[model.n] = -1 if claimed is None else claimed
        require(
            model.some_missing or claimed is None,
            "subject: unknown has a code, but no fact is missing",
            Unmet,
        )
        bits = books.bits[book]
        fits = not bits or numbers.max() < books.base[book] ** bits
        require(fits, "subject: a number has too many bits")


def _compare(
    model: Model, books: Books, layout: Layout, spelled: list[_Spelled], row_of: np.ndarray
) -> None:
    """Every column of every row is as claimed (Lemma S2)."""
    table = model.tensors["embedding.weight"][1]
    fixed = [columns for columns, _ in segments(np.flatnonzero(layout.length < 0)[None])]
    codes = [_codes(part, model, books, layout) for part in spelled]

    def look(rows: slice, held: np.ndarray) -> None:
        for columns in fixed:
            for row, _ in differing(held[:, columns], table[0, columns], "embedding.weight"):
                name = model.name(rows.start + row)
                raise Unmet(f"subject: the embedding of {name} differs where no code is claimed")
        for part, code in zip(spelled, codes, strict=True):
            _compare_block(part, code, rows, held, model)

    model.over("embedding", model.n, look)
    look(slice(model.n, len(row_of)), table[row_of[model.n :]])


@dataclass(frozen=True)
class _Codes:
    """What a block should hold for each node that has a number (Lemma S2).

    Attributes:
        place: int32 (N + 1,), the row of each node, outside of them where it has no number; None
            where every entity has one, its own.
        rows: as it is stored, (nodes, columns of a code).
    """

    place: np.ndarray | None
    rows: np.ndarray

    def of(self, nodes: np.ndarray) -> np.ndarray:
        """Of nodes that have a number, (*nodes.shape, columns of a code)."""
        at = nodes if self.place is None else self.place[nodes]
        return np.take(self.rows, at, axis=0)


def _codes(spelled: _Spelled, model: Model, books: Books, layout: Layout) -> _Codes:
    """What a block should hold (Lemma S2). Every node that it spells has a number by now, but
    *unknown* perhaps.
    """
    block, numbers = spelled.block, books.numbers[spelled.block.book]
    require(
        (numbers[model.n] >= 0) | (spelled.nodes < model.n).all(),
        "subject: unknown is reached, and has no code",
    )
    at = block.columns[: max(block.bits, 1)]
    known, place = numbers >= 0, None
    if not known[: model.n].all():
        place = np.where(known, np.cumsum(known) - 1, len(known)).astype(np.int32)
        numbers = numbers[known]
    number = layout.digit(at, numbers[:, None]) if block.bits else numbers[:, None]
    table = model.tensors["embedding.weight"][1]
    return _Codes(place, stored_as(layout.off[at] + layout.scale[at] * number, table))


def _compare_block(
    spelled: _Spelled, codes: _Codes, rows: slice, held: np.ndarray, model: Model
) -> None:
    """Some rows of the embedding hold the codes of a block's nodes (Lemma S2)."""
    block, nodes = spelled.block, np.ascontiguousarray(spelled.nodes[:, rows].T)
    wanted = codes.of(nodes)
    found = held[:, block.start : block.stop].reshape(wanted.shape)
    for row, word, bit in differing(found, wanted, "embedding.weight"):
        is_, should = (
            int(integers(part[row, word], "embedding.weight")[bit]) for part in (found, wanted)
        )
        raise Refuted(
            f"subject: {model.name(rows.start + row)}: {block} holds {is_} in bit {bit} of word"
            f" {word}, the code of {model.name(nodes[row, word])} has {should} there"
        )
