"""Which columns of a residual stream are shown as one block, and what stands in such a block, in
words.

A block holds the code of an entity, the letter of a relation, the code of a position, or numbers.
Where codes of entities stand is what the builder has recorded; what a relation's or a position's
vector looks like, or a code of the builder's own, is read from the weights.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from constructions.facts.codes import Codebook
from constructions.model.answering import Answering
from constructions.model.fact_model import FactModel
from constructions.model.step import Step, recorded_steps
from verify.queries.claimed_blocks import Claims, Spelled
from verify.reading.codes import base_of

Values = NDArray[np.float64]
OTHERS = 8
"""So many blocks of words that are not asked for are shown; the others are cut."""
MOST_READ = 4096
"""So many entities' embeddings are read to know the codes of the builder's own."""
MOST_CHARACTERS = 12
"""Of the text of a block."""


@dataclass(frozen=True)
class Block:
    """Columns that are shown as one.

    Attributes:
        slot: the name of their slot in the stream.
        label: whose code stands there: the relations of a word, or the number of the part.
        columns: their numbers.
        form: of the code of an entity, "bits", "signs", "number" or "base q", "own" for a code of
            the builder's own, "any" for bits or signs; None for other things.
        book: which of the model's codebooks the code is from.
    """

    slot: str
    label: str
    columns: tuple[int, ...]
    form: str | None = None
    book: int = 0


def blocks(model: FactModel, claims: Claims, path: Sequence[int]) -> tuple[list[Block], int]:
    """The blocks of the stream in the order of their columns, and how many are cut: those of
    words that are no part of the path, beyond the first `OTHERS`.
    """
    slot_of = {
        int(column): name
        for name, slot in model.stream.slots.items()
        for column in slot.columns.ravel()
    }
    found: dict[int, Block] = {}
    covered: set[int] = set()
    cut = 0
    kept = [after for after in claims.passes if after]
    handed_on = (block for after in kept for block in after)
    for spelled in [*claims.subject, *handed_on, *claims.copied(model)]:
        if spelled.start in covered:
            continue
        covered |= set(range(spelled.start, spelled.stop))
        asked = _asked(spelled, [claims.subject, *kept], path)
        room = max(0, OTHERS - len(found))
        shown = sorted(asked | set(range(min(len(spelled), room))))
        cut += len(spelled) - len(shown)
        for index in shown:
            columns = spelled.columns(index)
            label = claims.text(spelled.word(index))
            name = slot_of[columns[0]]
            found[columns[0]] = Block(name, label, columns, spelled.form, spelled.book)
    for name, slot in model.stream.slots.items():
        left = tuple(int(column) for column in slot.columns.ravel() if int(column) not in covered)
        if left and len(left) < slot.size:
            found[left[0]] = Block(name, "rest", left)
        elif left:
            found |= {block.columns[0]: block for block in _parts(model, name, slot.columns)}
    return [found[start] for start in sorted(found)], cut


def _asked(spelled: Spelled, lists: list[list[Spelled]], path: Sequence[int]) -> set[int]:
    """The numbers of the words of a claim in whose columns a part of the path stands at some
    time.
    """
    width = (spelled.stop - spelled.start) // len(spelled)
    asked = set()
    for other in (other for some in lists for other in some if other.start == spelled.start):
        for start in range(len(path) - other.words + 1):
            index = other.index(path[start : start + other.words])
            if index is not None:
                asked.add((other.columns(index)[0] - spelled.start) // width)
    return asked


def _parts(model: FactModel, name: str, columns: NDArray[np.int64]) -> Iterator[Block]:
    """The blocks of a slot of which nothing is claimed: one for each index of its first axes."""
    lead = columns.shape[:-1]
    writes_positions = model.positions is not None and bool(
        (model.positions.weight[:, columns.ravel()] != 0).any()
    )
    relations = model.embedding.weight[model.vocabulary.relations][:, columns.ravel()]
    books = {book.bits for book in model.codebooks}
    is_code = not writes_positions and not (relations != 0).any() and columns.shape[-1:] != ()
    is_code = is_code and columns.shape[-1] in books and not _gets_letters(model, columns)
    form = "any" if is_code else None
    for at in np.ndindex(*lead):
        label = " ".join(str(i + 1) for i in at) if lead else ""
        yield Block(name, label, tuple(map(int, columns[at].ravel())), form)


def _gets_letters(model: FactModel, columns: NDArray[np.int64]) -> bool:
    """Whether some head copies a part of the relations' embeddings to these columns."""
    return any((copied[:, columns.ravel()] != 0).any() for copied in copied_relations(model))


def copied_relations(model: FactModel) -> Iterator[NDArray[np.float64]]:
    """What the heads of each stored layer write where they attend to a relation: (R, d_model) for
    each head.
    """
    rows = model.embedding.weight[model.vocabulary.relations].detach().double()
    stored = model.layer_sequence()[: len(model.layers)]
    for attention in (layer.attention for layer in stored if layer.attention is not None):
        at = 0
        for head in attention.heads:
            channels = slice(at, at + head.d_v)
            at = channels.stop
            read = attention.value.weight[channels].detach().double()
            written = attention.output.weight[:, channels].detach().double()
            yield (rows @ read.T @ written.T).cpu().numpy()


class Reader:
    """Says in words what stands in a block."""

    def __init__(self, model: FactModel, claims: Claims):
        self.model, self.claims = model, claims
        self.steps: list[Step] = recorded_steps(model)
        self._embedded = model.embedding.weight[model.vocabulary.relations].detach().double()
        self._letters = [self._embedded.cpu().numpy(), *copied_relations(model)]
        self._known: dict[tuple[int, ...], dict[bytes, tuple[str, str]]] = {}

    def text(self, block: Block, values: Values, is_code: bool) -> tuple[str, str]:
        """What stands there, and of which kind it is: "entity", "near" (not the code, but of its
        signs), "relation", "position", "numbers" or "zero". (`showing` has a kind more, "moved":
        a code and a number that is added to all of it.)

        Args:
            block: where.
            values: float64, one for each column.
            is_code: that zeros are a code there, and not what is left of one.
        """
        zeros_are_a_code = block.form in ("bits", "number") or _base(block)
        if not values.any() and not (is_code and zeros_are_a_code):
            return "", "zero"
        if block.form is not None and (found := self._entity(block, values)):
            return found
        known = {} if block.form not in (None, "any") else self._vectors(block)
        return known.get(values.tobytes(), (_numbers(values), "numbers"))

    def _entity(self, block: Block, values: Values) -> tuple[str, str] | None:
        """The entity whose code it is."""
        book: Codebook = self.model.codebooks[block.book]
        if block.form == "own":
            token = self._own_codes.get(values.tobytes())
            return None if token is None else (token_name(self.model, token), "entity")
        if block.form == "number":
            return self._named(book, int(values[0]) if float(values[0]).is_integer() else -1)
        if not np.isfinite(values).all():
            return None
        if base := _base(block):
            if not ((values >= 0) & (values < base) & (values == np.rint(values))).all():
                return None
            return self._named(book, sum(int(v) * base**i for i, v in enumerate(values)))
        kind = "entity"
        if block.form != "bits" and (values != 0).all():
            kind = "entity" if (np.abs(values) == 1).all() else "near"
        elif not np.isin(values, (0, 1)).all():
            return None
        found = self._named(book, sum(int(value > 0) << i for i, value in enumerate(values)))
        return found and (f"~{found[0]}" if kind == "near" else found[0], kind)

    @cached_property
    def _own_codes(self) -> dict[bytes, int]:
        """The tokens that most embeddings write by these vectors, in codes of the builder's own:
        of the first entities and words. Where two vectors are as frequent, none is the code.
        """
        facts, votes = self.model.facts, defaultdict[int, Counter[bytes]](Counter)
        entities = np.arange(min(facts.n_entities, MOST_READ))
        for spelled in (one for one in self.claims.subject if one.form == "own"):
            for index in range(min(len(spelled), OTHERS)):
                word = np.array(spelled.word(index), dtype=np.int64)
                nodes = facts.answer(entities, word) if len(word) else entities
                tokens = self.model.vocabulary.answer_tokens(np.asarray(nodes)).tolist()
                columns = list(spelled.columns(index))
                rows = self.model.embedding.weight[: len(entities), columns].detach().double()
                for row, token in zip(rows.cpu().numpy(), tokens, strict=True):
                    votes[token][row.tobytes()] += 1
        best = {token: found.most_common(2) for token, found in votes.items()}
        return {
            first[0]: token
            for token, (first, *others) in best.items()
            if not others or first[1] > others[0][1]
        }

    def _named(self, book: Codebook, number: int) -> tuple[str, str] | None:
        """The entity that has this number in a codebook."""
        if not 0 <= number < len(book):
            return None
        return token_name(self.model, int(book.by_number[number])), "entity"

    def _vectors(self, block: Block) -> dict[bytes, tuple[str, str]]:
        """The vectors that relations and positions have in a block, by what they mean."""
        if block.columns not in self._known:
            letters, positions = self._letters_of(block), self._positions_of(block)
            self._known[block.columns] = {
                **{vector: (text, "relation") for vector, text in letters.items()},
                **{vector: (text, "position") for vector, text in positions.items()},
            }
        return self._known[block.columns]

    def _letters_of(self, block: Block) -> dict[bytes, str]:
        """The relations' vectors, where they tell relations apart."""
        found: dict[bytes, str] = {}
        for rows in self._letters:
            vectors = [row[list(block.columns)] for row in rows]
            distinct = {vector.tobytes() for vector in vectors}
            if len(distinct) == len(vectors) > 1:
                names = map(self.model.facts.relation_name, range(len(vectors)))
                found |= {v.tobytes(): n for v, n in zip(vectors, names, strict=True) if v.any()}
        return found

    def _positions_of(self, block: Block) -> dict[bytes, str]:
        """The vectors that positions have in the block, or in the slot with which heads compare
        it.
        """
        table = self.model.positions
        if table is None or not (table.weight[:, list(block.columns)] != 0).any():
            return {}
        keys = [s.attends_by[1] for s in self.steps if s.attends_by[0] == (block.slot,)]
        slots = [self.model.stream[key[0]].columns.ravel() for key in keys if len(key) == 1]
        same = [columns for columns in slots if len(columns) == len(block.columns)]
        columns = list(map(int, same[0])) if same else list(block.columns)
        rows = table.weight[:, columns].detach().double().cpu().numpy()
        names = {row.tobytes(): f"@{i}" for i, row in enumerate(rows)}
        return names if len(names) == len(rows) else {}


def token_name(model: Answering, token: int) -> str:
    """The name of a token in the vocabulary."""
    vocabulary = model.vocabulary
    if token < vocabulary.n_entities:
        return model.facts.entity_name(token)
    if token < vocabulary.n_entities + vocabulary.n_relations:
        return model.facts.relation_name(token - vocabulary.n_entities)
    name = vocabulary.specials[token - vocabulary.n_entities - vocabulary.n_relations]
    return name if name == "unknown" else name.upper()


def _base(block: Block) -> int:
    """Of the digits that it holds; 0 where it holds something else."""
    base = base_of(block.form) or 0
    return base if base > 2 else 0


def _numbers(values: Values) -> str:
    """Numbers in a few characters: signs as + and -, bits as they are, others as decimals; what
    is cut off is stated by "...".
    """
    if len(values) > 1 and np.isin(values, (-1, 0, 1)).all():
        signs = "-0+" if (values < 0).any() else "-01"
        text = "".join(signs[int(value) + 1] for value in values)
    else:
        text = " ".join(f"{value:.4g}" for value in values)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."
