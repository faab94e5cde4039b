"""What a builder has recorded of its model: what the entities' embeddings hold, what every head
and hidden unit reads and writes, and what each layer keeps.

The draft makes the record while it writes (`constructions.writing.draft`), and whoever wants to
know reads it: the certificate, the known mechanism, exports. Nothing in it is trusted by a proof.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """Columns of the stream that are a function of the node at hand.

    Attributes:
        columns: the first, and the one behind the last.
        words: n; there is a code for every word of n letters, words in lexicographic order: that
            of the node which the word leads to. With n = 0 it is the code of the node itself.
        last: the relations that may be the last letter of a word, from one to before another; all
            for n = 0.
        form: how a code is written, `bits`, `signs`, `number` or `base q`; None for a code of the
            builder's own, of which nothing more is claimed.
        book: which of the model's codebooks numbers the nodes.
    """

    columns: tuple[int, int]
    words: int
    last: tuple[int, int]
    form: str | None
    book: int


@dataclass(frozen=True)
class Pass:
    """What one layer does, one time that it is applied.

    Attributes:
        letters: the places of the path's letters that it takes, from 1; of a chain of thought
            those of one step, where a path may end before.
        keeps: the blocks that are functions of the node after these letters; None if it leaves
            nothing but what the unembedding reads.
    """

    letters: tuple[int, ...]
    keeps: tuple[Block, ...] | None


@dataclass(frozen=True)
class RecordedHead:
    """A head, by the names of the stream's slots.

    Attributes:
        name: as the builder calls it.
        queries, keys: the slots that its queries and its keys are made of; both empty if it
            attends to all alike.
        reads, writes: the slots that it copies, and those that it adds to.
    """

    name: str
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class RecordedUnits:
    """A group of hidden units.

    Attributes:
        name: as the builder calls it.
        hidden_layer: of the MLP, from 0.
        numbers: which units of that hidden layer.
        reads: the slots of the stream, or the groups of units of the hidden layer before.
        writes: the slots of the stream, or the groups of units of the next hidden layer that read
            it.
    """

    name: str
    hidden_layer: int
    numbers: range
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True)
class RecordedLayer:
    """The heads and the groups of hidden units of a stored layer, in the order of its rows."""

    heads: tuple[RecordedHead, ...]
    units: tuple[RecordedUnits, ...]


@dataclass(frozen=True)
class Record:
    """What a builder has recorded.

    Attributes:
        subject: the blocks that an entity's embedding writes.
        layers: the layers that are stored.
        passes: in the order of application; empty if the builder claims nothing of its layers.
    """

    subject: tuple[Block, ...]
    layers: tuple[RecordedLayer, ...]
    passes: tuple[Pass, ...]

    def applied(self, index: int) -> RecordedLayer:
        """The layer that is applied at this place, from 0."""
        return self.layers[index % len(self.layers)]
