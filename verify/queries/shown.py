"""What is shown of one query as it passes through a model: what stands in each block of the
residual stream, what heads copied, which units fired, what remains, and the logits.

`verify.queries.showing` fills it in; how it is drawn is in `verify.cli.reports`.
"""

from __future__ import annotations

from dataclasses import dataclass

from constructions.model.step import Step
from verify.queries.shown_blocks import Block, Values


@dataclass(frozen=True)
class Held:
    """What stands in a block at one position and one point of the forward pass.

    Attributes:
        values: float64, the coordinates themselves.
        text: in words: a name, or numbers; "" for zeros.
        kind: see `Reader.text`.
        label: whose code the certificate claims there after this pass; None if it claims nothing.
        cleared: whether all of it became 0 in this step of the layer.
        left_over: whether the certificate claims what this pass keeps, and this is no part of it:
            a code that nothing counts on any more.
    """

    values: Values
    text: str
    kind: str
    label: str | None
    cleared: bool
    left_over: bool


@dataclass(frozen=True)
class Row:
    """The residual stream at one position and one point, block by block.

    Attributes:
        point: as in `Trace`: "embedding", "layers.0.mid" (after attention), "layers.0.post".
        position, token: where, and the name of the token there.
        held: one for each of the blocks of `Shown`.
    """

    point: str
    position: int
    token: str
    held: tuple[Held, ...]


@dataclass(frozen=True)
class Look:
    """What a head looked at: (position, weight), the largest weight first."""

    step: Step
    looked: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Fired:
    """How many units of a group fired, of how many; and the same by the block that they read,
    (label, fired, units), where each reads one block of entities' codes.
    """

    step: Step
    fired: int
    units: int
    by_block: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class ShownStep:
    """All that leads to one token of the answer.

    Attributes:
        rows: embeddings of the positions that matter, then the deciding position after each part
            of each layer.
        looks, fired: heads and units at the deciding position, in the order of layers.
        logits: (token, logit), the three largest first.
        read: for each block, what it adds to the largest logit, and to the next one.
    """

    rows: tuple[Row, ...]
    looks: tuple[Look, ...]
    fired: tuple[Fired, ...]
    logits: tuple[tuple[str, float], ...]
    read: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Shown:
    """A query and its answer.

    Attributes:
        construction: its name.
        query: the subject and the path, in names.
        answer: what the model says.
        right: whether the facts say so too.
        claimed: whether the model claims to answer the query; if not, its answer means nothing.
        d_model, depth: sizes.
        blocks: what is shown of the stream.
        cut: how many blocks of words are not shown.
        steps: one; of a chain of thought one for each written token.
    """

    construction: str
    query: str
    answer: str
    right: bool
    claimed: bool
    d_model: int
    depth: int
    blocks: tuple[Block, ...]
    cut: int
    steps: tuple[ShownStep, ...]
