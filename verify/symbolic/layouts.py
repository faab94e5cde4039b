"""Which columns spell codes of nodes, and what these are: blocks, layouts, books and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.kernel.verdict import Undecided, require, whole
from verify.reading.codes import base_of
from verify.reading.wording import shown
from verify.symbolic.reading import Model

MOST_BITS = 50


@dataclass(frozen=True)
class Block:
    """Columns start..stop-1 spell the codes of the nodes that some words lead to, one code after
    the other.

    Attributes:
        start, stop: its columns.
        length: of the words.
        form: "bits", "signs", "number" or "base q".
        book: which book the codes are of.
        words: the words, by their place among all words of their length.
        bits: of a code, or digits; 0 of a number.
    """

    start: int
    stop: int
    length: int
    form: str
    book: int
    words: np.ndarray
    bits: int

    @property
    def columns(self) -> np.ndarray:
        """The columns, int64."""
        return np.arange(self.start, self.stop)

    def __str__(self) -> str:
        return f"the block of columns {self.start}..{self.stop - 1}"


@dataclass(frozen=True)
class Layout:
    """Which columns spell codes, and of which nodes: those that the words of some blocks lead to
    from the node at hand.

    Attributes (int64 (d,), -1 where a column spells nothing):
        length, word: of the word, and its place in the lexicographic order of its length.
        bit, book: which bit or digit of the code, in which book.
        off, scale: the column holds `off + scale * bit`.
        base: of the digits of its book; 2 of bits, 0 of numbers.
        top: the largest value of the unknown: 1 for a bit, q - 1 for a digit.
    """

    length: np.ndarray
    word: np.ndarray
    bit: np.ndarray
    book: np.ndarray
    off: np.ndarray
    scale: np.ndarray
    base: np.ndarray
    top: np.ndarray

    def digit(self, columns: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """The bit or digit that each column, of shape (n, ...), holds of a number."""
        base, bit = (part[columns] for part in (self.base, self.bit))
        found: np.ndarray = numbers // base**bit % base
        return found

    def node(self) -> tuple[int, int]:
        """How many columns spell the node at hand, and in which book; (0, 0) if none do."""
        spelled = np.flatnonzero(self.length == 0)
        return len(spelled), int(self.book[spelled[0]]) if len(spelled) else 0


class Books:
    """The codes of nodes, a book for each kind of code.

    Attributes:
        unknown: for each book the number of *unknown*, or None.
        bits: of its codes, or digits; 0 of numbers; None until a block has said so.
        base: of its digits; 2 of bits, 0 of numbers.
        numbers: for each book the number of every node, int64 (N + 1,), -1 where there is none.
    """

    def __init__(self, unknown: Any, n: int):
        require(type(unknown) is list, f"subject: unknown is {shown(unknown)}, not a list")
        for number in unknown:
            fits = number is None or whole(number, 0, "subject: unknown") < 2**MOST_BITS
            require(fits, f"subject: unknown is {shown(number)}")
        self.unknown: list[int | None] = unknown
        self.bits: list[int | None] = [None] * len(unknown)
        self.base: list[int] = [0] * len(unknown)
        self.numbers = [np.full(n + 1, -1) for _ in unknown]

    def node_of(self, numbers: np.ndarray, book: int) -> np.ndarray:
        """The node with each number, -1 if there is none (Lemma S9)."""
        order = np.argsort(self.numbers[book], kind="stable")
        known = self.numbers[book][order]
        twice = ((np.diff(known) == 0) & (known[1:] >= 0)).any()
        require(not twice, "two nodes have the same code")
        at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        return np.where(known[at] == numbers, order[at], -1)

    def node_bits(
        self, layout: Layout, keys: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For unknowns that are bits of the node at hand: (which of them, every node, its bit)."""
        nodes = np.flatnonzero(self.numbers[layout.node()[1]] >= 0)
        bits = self.bits_of(layout, keys, nodes)
        return np.repeat(np.arange(len(keys)), len(nodes)), np.tile(nodes, len(keys)), bits.ravel()

    def bits_of(self, layout: Layout, keys: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """What unknowns that are bits of the node at hand are at some nodes that have a number,
        int64 (unknowns, nodes). Bits of other words are undecided (Lemma S10).
        """
        if (layout.length[keys] != 0).any() or (layout.top[keys] != 1).any():
            raise Undecided(
                "bits that are not the node's are mixed with amounts that depend on the node"
            )
        bits: np.ndarray = (self.numbers[layout.node()[1]][nodes] >> layout.bit[keys][:, None]) & 1
        return bits


class Words:
    """Where every word leads from every node, made from the facts alone."""

    def __init__(self, model: Model):
        self._model, self._reached = model, {0: np.arange(model.n + 1)[None]}

    def of(self, length: int) -> np.ndarray:
        """For every word of a length, int64 (R^length, N + 1), first letter applied first."""
        if length not in self._reached:
            model = self._model
            what = f"where all words of {length} letters lead"
            model.require_room(model.n_relations**length, what)
            before = self.of(length - 1)
            self._reached[length] = (
                model.table[:, before].swapaxes(0, 1).reshape(-1, model.n + 1)
                if length > 1
                else model.table
            )
        return self._reached[length]

    def some(self, length: int, words: np.ndarray) -> np.ndarray:
        """For some words of a length, in ascending order, int64 (words, N + 1): no copy where
        they follow each other.
        """
        every = self.of(length)
        first, last = int(words[0]), int(words[-1])
        together = last - first == len(words) - 1
        return every[first : last + 1] if together else every[words]


def read_blocks(claimed: Any, where: str, model: Model, books: Books) -> list[Block]:
    """The blocks of a list of claimed ones, which is not empty."""
    require(type(claimed) is list and claimed, f"{where}: the blocks are {shown(claimed)}")
    return [_block(block, f"{where}: {shown(block)}", model, books) for block in claimed]


def _block(claimed: Any, what: str, model: Model, books: Books) -> Block:
    """A claimed block: its words exist, and its columns have one code for each of them."""
    require(type(claimed) is dict and "columns" in claimed, f"{what} is no block")
    start, stop = _pair(claimed["columns"], f"{what}: its columns")
    require(start < stop <= model.d, f"{what}: there are {model.d} columns")
    if set(claimed) == {"columns"}:
        raise Undecided(f"{what}: columns in a code that is not spelled out")
    require(
        set(claimed) == {"columns", "words", "last", "form", "book"},
        f"{what} is no block",
    )
    low, high = _pair(claimed["last"], f"{what}: its last letters")
    length = whole(claimed["words"], 0, f"{what}: words")
    r = model.n_relations
    exist = low < high <= r if length else [low, high] == [0, r]
    require(exist and length <= model.hops, f"{what}: words that do not exist")
    count = r ** (length - 1) * (high - low) if length else 1
    bits, rest = divmod(stop - start, count)
    require(not rest, f"{what}: {stop - start} columns for {count} words")
    words = np.zeros(1, int)
    if length:
        words = (np.arange(count // (high - low))[:, None] * r + np.arange(low, high)).ravel()
    form, book = claimed["form"], whole(claimed["book"], 0, "book")
    require(book < len(books.bits), f"{what}: there are {len(books.bits)} books")
    base, bits = _base_and_bits(form, bits, what)
    known = books.bits[book]
    require(known in (None, bits), f"{what}: a code of {bits} bits, its book has {known}")
    same = known is None or books.base[book] == base
    require(same, f"{what}: digits to base {base}, its book has {books.base[book]}")
    books.bits[book], books.base[book] = bits, base
    return Block(start, stop, length, form, book, words, bits)


def _base_and_bits(form: Any, width: int, what: str) -> tuple[int, int]:
    """The base of the digits of a code of so many columns, and how many bits or digits it has: 0
    and 0 of a number, which has one column.
    """
    known = base_of(form)
    require(known is not None, f"{what}: its form is {shown(form)}")
    base = known or 0
    require(base > 0 or width == 1, f"{what}: a number of {width} columns")
    fits = width <= MOST_BITS and base**width <= 2**MOST_BITS
    require(fits, f"{what}: too many bits")
    return base, width if base else 0


def _pair(value: Any, what: str) -> tuple[int, int]:
    """Two counts, as a list of a file."""
    require(type(value) is list and len(value) == 2, f"{what} are {shown(value)}")
    return whole(value[0], 0, what), whole(value[1], 0, what)


def layout_of(blocks: list[Block], books: Books, d: int) -> Layout:
    """The columns that blocks claim: none twice, and no word twice."""
    length, word, bit, book, off, scale, base, top = np.full((8, d), -1)
    for block in blocks:
        columns, m = block.columns, max(block.bits, 1)
        require((length[columns] < 0).all(), f"{block}: columns are claimed twice")
        length[columns], word[columns] = block.length, np.repeat(block.words, m)
        bit[columns], book[columns] = np.tile(np.arange(m), len(block.words)), block.book
        off[columns], scale[columns] = (-1, 2) if block.form == "signs" else (0, 1)
        base[columns] = books.base[block.book]
        largest = int(books.numbers[block.book].max())
        top[columns] = books.base[block.book] - 1 if block.bits else max(1, largest)
    spelled = np.stack([length, word, bit])[:, length >= 0]
    once = np.unique(spelled, axis=1).shape == spelled.shape
    require(once, "blocks: a word is spelled twice")
    return Layout(length, word, bit, book, off, scale, base, top)
