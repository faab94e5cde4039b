"""What is shown of one query as it passes through a model: what stands in each block of the
residual stream, what heads copied, which units fired, what remains, and the logits.

Two fill it in: `verify.queries.showing` of a construction, whose builder has said where everything
stands; and `verify.learned.fitted_showing` of any decoder, in a basis that is fitted to it. How it
is drawn is in `verify.cli.reports`, alike for both.
"""

from __future__ import annotations

from dataclasses import dataclass

from verify.queries.shown_blocks import Block, Values

FIRST_STEPS = 3
"""Of a model that writes several tokens so many steps are drawn, and the last."""


@dataclass(frozen=True)
class Evidence:
    """How much of what subjects differ by at one point a fitted basis explains.

    Attributes:
        value: R^2 of subjects that had no part in the fit; None where none could be made.
        null: the same where facts are shuffled among the subjects.
        reason: why blocks of attributes are not shown there; "" if they are.
        alone: whether the fit is of the relation that is asked for alone, since one of all
            relations says nothing.
    """

    value: float | None
    null: float | None
    reason: str
    alone: bool = False


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
        share: in a fitted basis, of how many subjects that had no part in the fit what stands here
            is read right, and of how many by chance; None where the basis is known.
        size: of a fitted block, its length against that of the longest one there; else None.
    """

    values: Values
    text: str
    kind: str
    label: str | None
    cleared: bool
    left_over: bool
    share: tuple[float, float] | None = None
    size: float | None = None


@dataclass(frozen=True)
class Row:
    """The residual stream at one position and one point, block by block.

    Attributes:
        point: as in `Trace`: "embedding", "layers.0.mid" (after attention), "layers.0.post".
        position, token: where, and the name of the token there.
        held: one for each of the blocks of `Shown`.
        evidence: in a fitted basis, how good it is there; None where the basis is known, or
            nothing depends on the subject.
    """

    point: str
    position: int
    token: str
    held: tuple[Held, ...]
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Look:
    """What a head looked at.

    Attributes:
        layer, head: which, counted from 0.
        name: what it does, as its builder calls it; "" where nobody has said so.
        reads, writes: the slots; none where nobody has said so.
        looked: (position, weight), the largest weight first.
    """

    layer: int
    head: int
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    looked: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Fired:
    """How many units of a group fired, of how many; and the same by the block that they read,
    (label, fired, units), where each reads one block of entities' codes. Of a fitted basis: by the
    block that decides most of what a unit's activation differs by.

    Attributes:
        layer: which, counted from 0.
        name: of the group; "" for all units of a hidden layer.
        fired, units, by_block: how many.
    """

    layer: int
    name: str
    fired: int
    units: int
    by_block: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class ShownStep:
    """All that leads to one token of the answer.

    Attributes:
        number: which token it is, counted from 1.
        tokens: the names of the tokens at all positions.
        rows: embeddings of the positions that matter, then the deciding position after each part
            of each layer.
        looks, fired: heads and units at the deciding position, in the order of layers.
        logits: (token, logit), the three largest first.
        read: for each block, what it adds to the largest logit, and to the next one.
    """

    number: int
    tokens: tuple[str, ...]
    rows: tuple[Row, ...]
    looks: tuple[Look, ...]
    fired: tuple[Fired, ...]
    logits: tuple[tuple[str, float], ...]
    read: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Shown:
    """A query and its answer.

    Attributes:
        name: of the construction, or of the kind of model.
        query: the subject and the path, in names.
        answer: what the model says.
        right: whether the facts say so too.
        claimed: whether the model claims to answer the query; if not, its answer means nothing.
        d_model, depth: sizes.
        blocks: what is shown of the stream.
        cut: how many blocks of words are not shown.
        steps: one; of a model that writes several tokens one for each of them, or for those that
            are drawn.
        remarks: what is to be known before the picture is read, in sentences.
    """

    name: str
    query: str
    answer: str
    right: bool
    claimed: bool
    d_model: int
    depth: int
    blocks: tuple[Block, ...]
    cut: int
    steps: tuple[ShownStep, ...]
    remarks: tuple[str, ...] = ()


def drawn(steps: int) -> list[int]:
    """Which steps are drawn of so many, counted from 1: the first ones, and the last."""
    few = steps <= FIRST_STEPS + 1
    return [*range(1, steps + 1)] if few else [*range(1, FIRST_STEPS + 1), steps]
