"""Models of rare shapes, at the corners of the checker's rules."""

import json

import numpy as np
import safetensors.torch
from exploits.small_models import (
    BOTH,
    FOUR,
    THREE,
    TWO_BITS,
    C,
    leaking_into,
    one_letter,
    two_bits,
)
from hand_made import (
    ONE_BIT,
    Head,
    Layer,
    at,
    block,
    book,
    hand_made,
    identity,
    positions,
    resealed,
    weights_of,
    with_manifest,
    with_weights,
)


def leaking(gap, unembedding=ONE_BIT, **others):
    """A head whose scores differ by `gap`."""
    return one_letter(
        heads=[Head([{"one": gap}], [{"p0": 1}], [("a", "c", 1)])],
        unembedding=unembedding,
        **others,
    )


CLOSE = {0: {"one": 1, "c": -1}, 1: {"c": 1}, "rest": {"one": -100}}
"""An unembedding with a margin of 1."""
THREE_KINDS = {0: THREE[0], 1: THREE[1], 2: {"c0": -3, "c1": 3, "one": -3}}
"""Of three entities, the last has larger weights."""
BENT = {0: {}, 1: {"c": 2, "one": -1}, "rest": {"one": -100}}
"""An unembedding that reads a number, 0 or 1, in column c."""
BENT_TWICE = {0: {}, 1: {"c": 4, "one": -4}, "rest": {"one": -100}}
"""The same of a number that is 0 or 2."""
LARGE = 2.0**24


def shaken(first, second):
    """A head of which a leak may move the scores: by `16 / (1 + e^10)` for each 1 of the larger
    key.
    """
    keys = [{"p0": first, "p1": second}]
    return leaking_into(Head([{"q": 1, "one": 3}], keys, [("z", "y", 1)]))


def three_kinds():
    """Codes of two entities, of a third, and of the relation's token, whose code no entity has."""
    unembedding = {**THREE_KINDS, 3: {"c0": 3, "c1": 3, "one": -5}}
    return two_bits(identity(3), {1: FOUR[1], 2: FOUR[2]}, BOTH, unembedding)


def three_letters_at_once():
    """A pass takes all letters of two relations; four positions count in equal parts."""
    return hand_made(
        np.tile(np.arange(2), (2, 1)),
        ["one", "a", "c"],
        {1: {"a": 1}},
        [{"one": 1}] * 4,
        [Layer([Head([], [], [("a", "c", 4)])])],
        ONE_BIT,
        [book(1)],
        [block("a", 0, last=(0, 2))],
        [([1, 2, 3], [block("c", 0, last=(0, 2))])],
        hops=3,
    )


def exclusive_or():
    """Two relations, the identity and the exchange of two entities; one column is the letter."""
    step = [({"c": 1, "m": 1, "one": -1}, {"c": -2}), ({"m": 1}, {"c": 1})]
    again = [({"c": 1, "l": 1, "one": -1}, {"c": -2}), ({"l": 1}, {"c": 1})]
    blocks = [block("c", 0, last=(0, 2))]
    return hand_made(
        np.array([[0, 1], [1, 0]]),
        ["one", "p0", "p1", "p2", "a", "c", "l", "m"],
        {1: {"a": 1}, 3: {"l": 1}},
        positions(3),
        [
            Layer([at(0, ("a", "c", 1)), at(1, ("l", "m", 1))], []),
            Layer([], step),
            Layer([], again),
        ],
        ONE_BIT,
        [book(1)],
        [block("a", 0, last=(0, 2))],
        [([], blocks), ([1], blocks), ([2], blocks)],
        hops=2,
    )


def settled():
    """A column holds a bit of the node less what units for two nodes say, which is 0 at every
    node.
    """
    return two_bits(
        identity(4),
        FOUR,
        [*BOTH, ("a0", "w", 1)],
        THREE | {1: THREE[1] | {"w": -100}},
        after=C,
        columns=[*TWO_BITS, "w"],
        units=[({"c0": 1, "c1": -1}, {"w": -1}), ({"c0": 1, "c1": 1, "one": -1}, {"w": -1})],
        subject=[block("a", 0)],
    )


def in_the_second_book():
    """Nodes before the letter are of one book, nodes after it of another, where *unknown* has a
    code and e2 has none.
    """
    return hand_made(
        np.array([[1, -1, 0]]),
        ["one", "p0", "p1", ("a", 2), ("b", 2), ("x", 2), ("y", 2), ("c", 2)],
        {0: {"b0": 1}, 1: {"a0": 1, "b0": 1, "b1": 1}, 2: {"a1": 1}},
        positions(2),
        [
            Layer(
                [at(0, ("a0", "x0", 1), ("a1", "x1", 1), ("b0", "y0", 1))],
                [
                    ({"x0": -1, "x1": -1, "one": 1}, {"c0": 1}),
                    ({"x0": 1, "x1": -1}, {"c0": 1, "c1": 1}),
                    ({"y0": 1}, {}),
                ],
            )
        ],
        {0: THREE[0], 1: THREE[1], 4: THREE[3], "rest": {"one": -100}},
        [book(2, 3), book(2)],
        [block("b", 1), block("a", 0, book=1)],
        [([1], [block("c", 0)])],
    )


def two_hops_at_once():
    """Four entities in a circle: the node in two steps is computed from the subject, and a letter
    is left for later.
    """
    return hand_made(
        np.array([[1, 2, 3, 0]]),
        ["one", "p0", "p1", "p2", ("a", 2), ("c", 2)],
        FOUR,
        positions(3),
        [Layer([at(0, *BOTH)], [({"c1": 1}, {"c1": -2}), ({"one": 1}, {"c1": 1})]), Layer()],
        THREE | {"rest": {"one": -100}},
        [book(2)],
        [block("a", 0)],
        [([1], [block("c", 1)]), ([2], None)],
        hops=2,
    )


def mixed_units():
    """Units of a second hidden layer read bits of the node beside what units for
    single nodes say.
    """
    first = [({"c0": 1, "c1": 1, "one": -1}, {}), ({"c0": 1}, {}), ({"one": 1}, {})]
    files = two_bits(
        np.array([[0, 3, 2, 2]]), FOUR, BOTH, THREE, after=C, units=first, subject=[block("a", 0)]
    )
    weights, d = weights_of(files), 7
    # From (the node is 3, bit 0, 1): bit 0 less the first, the first and 1, 1.
    weights["layers.0.mlp.weights.1.weight"] = np.array([[-1, 1, 0], [1, 0, 1], [0, 0, 1]])
    weights["layers.0.mlp.weights.2.weight"] = np.zeros((d, 3))
    weights["layers.0.mlp.weights.2.weight"][-2:] = [[0, -1, 1], [1, 0, 0]]
    files = with_weights(files, weights)
    return with_manifest(
        files, lambda manifest: manifest["architecture"]["layers"][0].update(d_mlp=[3, 3])
    )


def backwards(files):
    """The same tensors in the opposite order of their names."""
    tensors = safetensors.torch.load(files["weights.safetensors"])
    header, data = {}, b""
    for name in sorted(tensors, reverse=True):
        raw = tensors[name].numpy().tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensors[name].shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    return resealed(files, weights_safetensors=len(text).to_bytes(8, "little") + text + data)


def fifty_bits():
    """Codes of as many bits as there may be: 0 and 2^50 - 1."""
    bits = range(50)
    return hand_made(
        identity(2),
        ["one", "p0", "p1", ("a", 50), ("c", 50)],
        {1: {f"a{i}": 1 for i in bits}},
        positions(2),
        [Layer([at(0, *((f"a{i}", f"c{i}", 1) for i in bits))])],
        {
            0: {f"c{i}": -2 for i in bits},
            1: {f"c{i}": 2 for i in bits} | {"one": -100},
            "rest": {"one": -1000},
        },
        [book(50)],
        [block("a", 1)],
        [([1], None)],
    )


def logits_that_cancel_apart():
    """What a letter has left cancels in every logit: the first in one of them, the second in
    another.
    """
    blocks = [block("c", 0, last=(0, 2))]
    return hand_made(
        np.tile(np.arange(2), (2, 1)),
        ["one", "p0", "p1", "p2", "a", "c", "f", "u", "v", "s", "t"],
        {1: {"a": 1}, 3: {"f": 1024}},
        positions(3),
        [
            Layer([at(0, ("a", "c", 1)), at(1, ("f", "u", 1), ("f", "v", 1))]),
            Layer([at(2, ("f", "s", 1), ("f", "t", 1))]),
            Layer(),
        ],
        {
            0: ONE_BIT[0] | {"u": 4096, "v": -4096},
            1: ONE_BIT[1] | {"s": 4096, "t": -4096},
            "rest": {"one": -100},
        },
        [book(1)],
        [block("a", 0, last=(0, 2))],
        [([1], blocks), ([2], blocks), ([], blocks)],
        hops=2,
    )
