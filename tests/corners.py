"""Models at the corners of the checker's rules: right or wrong by one, exact or not by one, of
rare shapes.
"""

import json

import numpy as np
import safetensors.torch
from exploits import (
    BOTH,
    FOUR,
    LAST,
    OF_NODE,
    OF_TWO_RELATIONS,
    THREE,
    TWO_BITS,
    C,
    a_node_without_a_code,
    chain,
    chain_with_a_flag,
    leaking_into,
    numbers,
    one_letter,
    two_bits,
)
from hand_made import (
    LETTERS,
    NODE,
    ONE_BIT,
    Head,
    Layer,
    at,
    block,
    book,
    built,
    claims_of,
    files_of,
    hand_made,
    identity,
    positions,
    resealed,
    weights_of,
    with_claims,
    with_manifest,
    with_weights,
)

from constructions import FactTable, selector


def leaking(gap, unembedding=ONE_BIT, **others):
    """A head whose scores differ by `gap`."""
    return one_letter(
        heads=[Head([{"one": gap}], [{"p0": 1}], [("a", "c", 1)], 0, gap)],
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
    return leaking_into(Head([{"q": 1, "one": 3}], keys, [("z", "y", 1)], 0, 5 * (first - second)))


def right():
    """What is right, and proven."""
    yield "a gap of 100", leaking(100)
    yield "a gap of 99", leaking(99)
    yield "a gap of 1 under a cautious unembedding", leaking(1, CLOSE)
    yield (
        "a gap of 3 under large logits",
        leaking(3, {0: {"one": 50, "c": -100}, 1: {"one": -50, "c": 100}, "rest": {"one": -3000}}),
    )
    yield "close logits of other tokens", one_letter(unembedding=CLOSE)
    yield (
        "logits of 900 and -9000",
        one_letter(
            unembedding={
                0: {"one": 900, "c": -1800},
                1: {"one": -900, "c": 1800},
                "rest": {"one": -9000},
            }
        ),
    )
    yield (
        "large margins of two bits",
        two_bits(
            identity(4),
            FOUR,
            BOTH,
            {t: {c: 300 * v for c, v in row.items()} for t, row in THREE.items()},
        ),
    )
    three = {1: FOUR[1], 2: FOUR[2]}
    yield "kinds of rows that bits tell apart", two_bits(identity(3), three, BOTH, THREE_KINDS)
    yield "three kinds of rows", three_kinds()
    leaky = [at(0, *BOTH, gain=20)]
    leaky[0].gap = 20
    yield (
        "two bits that leak together",
        hand_made(
            identity(3),
            TWO_BITS,
            three,
            positions(2),
            [Layer(leaky)],
            THREE_KINDS | {"rest": {"one": -100}},
            [book(2)],
            [block("a", 1)],
            [([1], None)],
            LETTERS,
        ),
    )
    # numbers
    yield (
        "a number in a row that bends once",
        numbers({0: {}, 1: {"c": 4, "one": -4}, "rest": {"one": -100}}),
    )
    yield (
        "numbers in rows that bend twice",
        numbers({0: {}, 1: {"c": 4, "one": -4}, 2: {"c": 6, "one": -9}, "rest": {"one": -100}}),
    )
    for binding in ({"c": 5, "one": -8}, {"one": -100}):
        yield (
            f"a third number with the row {binding}",
            numbers({0: {}, 1: {"c": 6, "one": -9}, 2: binding, "rest": {"one": -100}}, 3),
        )
    yield (
        "a number of 100",
        numbers({0: {}, 1: {"c": 200, "one": -10000}, "rest": {"one": -20000}}, 100),
    )
    yield (
        "the number of *unknown*",
        numbers(  # the number of *unknown*
            {0: {}, 3: {"c": 400, "one": -40000}, "rest": {"one": -100000}},
            200,
            np.array([[0, -1]]),
            [book(0, 200)],
        ),
    )
    yield (
        "a number next to the largest",
        numbers(BENT_TWICE | {2: {"c": 2.0**29 - 2, "one": 5 - 2.0**31}}, dtype="float64"),
    )
    average = Head([], [], [("a", "a", 2)], "all", 0)
    yield (
        "a single column that holds a number",
        hand_made(  # one column
            identity(1),
            ["a"],
            {},
            [{}, {"a": 1}],
            [Layer([average])],
            {0: {}, "rest": {"a": -5000}},
            [book(0)],
            [block("a", 1, "number")],
            [([1], None)],
            LETTERS,
        ),
    )
    for unit in ({"c": 2, "one": -1}, {"c": 1, "one": 3}):  # a number that is a bit
        yield (
            f"a number that is a bit, and a unit that reads {unit}",
            hand_made(
                identity(2),
                ["one", "a", "c", "w"],
                {1: {"a": 1}},
                [{"one": 1}] * 2,
                [Layer([Head([], [], [("a", "c", 2)], "all", 0)], [(unit, {})])],
                BENT,
                [book(0)],
                [block("a", 1, "number")],
                [([1], None)],
                LETTERS,
            ),
        )
    # heads
    yield (
        "a head for a constant beside the head for the subject",
        one_letter(
            columns=["w"], heads=[Head([], [], [("one", "w", 1)], "all", 0), at(0, ("a", "c", 1))]
        ),
    )
    yield (
        "four positions in equal parts",
        hand_made(  # four positions in equal parts
            identity(2),
            ["one", "a", "c"],
            {1: {"a": 1}},
            [{"one": 1}] * 4,
            [Layer([Head([], [], [("a", "c", 4)], "all", 0)]), Layer(), Layer()],
            ONE_BIT,
            [book(1)],
            [block("a", 3)],
            [([1], [block("c", 2)]), ([2], [block("c", 1)]), ([3], [block("c", 0)])],
            NODE,
            hops=3,
        ),
    )
    yield "a leak that moves scores by 0.87", shaken(1200, 600)  # by 0.87
    yield "three letters at once", three_letters_at_once()
    yield "a chain whose letter stays", chain((0, 3, 4), {"q": 1})
    yield "a chain whose letter and flag stay", chain((0, 1, 1), {"q": 1, "b": 1})
    files = chain((0, 3, 4), {"q": 1})  # a letter and PAD add the same to all logits
    weights, pad, spare = weights_of(files), -4, -1
    weights["embedding.weight"][2, spare] = 1
    weights["unembedding.weight"][:, [pad, spare]] = 5
    yield "a letter and PAD that add the same to all logits", with_weights(files, weights)
    yield (
        "a flag where PAD never stands",
        chain_with_a_flag(2, 1, 3, -1, -1000, n=2),
    )  # PAD never stands there
    again = [block("c", 0, last=(0, 2))]
    yield (
        "letters that leave 1 in a column that is decoded",
        hand_made(  # both letters leave 1 in a column that is decoded
            np.tile(np.arange(2), (2, 1)),
            ["one", "p0", "p1", "p2", "a", "c", "flag", "seen"],
            {1: {"a": 1}, 2: {"flag": 1}, 3: {"flag": 1}},
            positions(3),
            [Layer([at(0, ("a", "c", 1))]), Layer([at(1, ("flag", "seen", 1))])],
            ONE_BIT | {1: {"one": -101, "c": 2, "seen": 100}},
            [book(1)],
            [block("a", 0, last=(0, 2))],
            [([1], again), ([2], again)],
            NODE,
            hops=2,
        ),
    )
    yield (
        "the first entity has the code 1",
        one_letter(  # the code of the first entity is 1
            embedding={0: {"a": 1}},
            subject=[block("a", 0)],
            unembedding={0: ONE_BIT[1], 1: ONE_BIT[0], "rest": {"one": -100}},
            **OF_NODE,
        ),
    )
    yield (
        "a constant next to the largest",
        one_letter(unembedding=ONE_BIT | {"rest": {"one": 1 - 2.0**53}}, dtype="float64"),
    )
    large = 2.0**49  # margins of 2^49 and more count as 2^49
    large_code = {
        0: {"one": large, "c": -2 * large},
        1: {"one": -large, "c": 2 * large},
        "rest": {"one": -2 * large},
    }
    yield "a margin beyond 2^49", one_letter(unembedding=large_code, dtype="float64")
    # units
    yield "exclusive or", exclusive_or()
    yield (
        "a unit that writes the only answer",
        one_letter(
            facts=np.array([[0, 0]]),
            embedding={0: {}},
            units=[({"c": 1}, {"c": -1})],
            after=C,
            decoder=NODE,
        ),
    )
    yield (
        "one entity whose code a unit takes away",
        one_letter(facts=identity(1), embedding={0: {}}, units=[({"c": 1}, {"c": -1})]),
    )
    yield (
        "units never above 0, of two bits in three",
        two_bits(  # never above 0, though of two bits in three
            identity(4),
            FOUR,
            BOTH,
            THREE,
            after=[block("c", 0)],
            units=[
                ({"c0": 1, "c1": 1, "one": -2}, {"c0": 1}),
                ({"c0": 3, "c1": 1, "one": -5}, {"c0": 1}),
            ],
            subject=[block("a", 0)],
        ),
    )
    yield (
        "a unit never above 0, of bits of the answer",
        two_bits(  # never above 0, of bits of the answer
            identity(4),
            FOUR,
            BOTH,
            THREE,
            units=[({"c0": 1, "c1": 1, "one": -2}, {"w": 1})],
            columns=[*TWO_BITS, "w"],
        ),
    )
    codes = {1: FOUR[1], 2: FOUR[3]}
    yield (
        "a unit for a code that no node has",
        two_bits(  # a unit for a code that no node has
            identity(3),
            codes,
            BOTH,
            {0: THREE[0], 1: THREE[1], 2: THREE[3]},
            after=C,
            units=[({"c0": -1, "c1": 1}, {"c0": 1})],
            subject=[block("a", 0)],
        ),
    )
    average = Head([], [], [("a", "a", 4)], "all", 0)
    yield (
        "one column whose only node has the bit 1",
        hand_made(  # one column; it holds 2 bits less 1, and the bit of the only node is 1
            identity(1),
            ["a"],
            {0: {"a": 1}},
            [{"a": -2}, {"a": 1}],
            [Layer([average])],
            {0: {"a": 2}, 1: {"a": -100}, 2: {"a": -101}},
            [book(1)],
            [block("a", 0)],
            [([1], [block("a", 0)])],
            NODE,
        ),
    )
    again = [block("c", 0, last=(0, 2))]
    yield (
        "each letter leads to one node",
        one_letter(  # each letter leads to one node, whose code it writes
            facts=np.array([[0, 0], [1, 1]]),
            embedding={1: {"a": 1}, 3: {"m": 1}},
            columns=["x", "m"],
            heads=[at(0, ("a", "x", 1))],
            units=[({"x": 1}, {}), ({"m": 1}, {"c": 1})],
            subject=[block("a", 0, last=(0, 2))],
            after=again,
            later=[(Layer(), [], again)],
            decoder=NODE,
        ),
    )
    yield "a column that is settled", settled()
    yield "nodes of a second book", in_the_second_book()
    yield "two hops at once", two_hops_at_once()
    yield "units that read numbers beside bits", mixed_units()
    yield (
        "cases that differ in what is decoded",
        one_letter(  # what differs from case to case is decoded, and right in both
            embedding={1: {"a": 1}, 3: {"y": 1}},
            columns=["y"],
            unembedding=ONE_BIT | {"rest": {"one": -100, "y": -5}},
            units=LAST[0].units,
            **OF_TWO_RELATIONS,
        ),
    )
    # files
    yield "names with spaces", files_of(selector(FactTable([[1, 0]], ["a b", "c  d"])))
    yield "a table without facts", files_of(selector(FactTable([[-1, -1]])))
    yield "tensors in the opposite order", backwards(one_letter())
    yield "codes of fifty bits", fifty_bits()


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
        [Layer([Head([], [], [("a", "c", 4)], "all", 0)])],
        ONE_BIT,
        [book(1)],
        [block("a", 0, last=(0, 2))],
        [([1, 2, 3], [block("c", 0, last=(0, 2))])],
        NODE,
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
        NODE,
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
        NODE,
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
        LETTERS,
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
        LETTERS,
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
        NODE,
        hops=2,
    )


def exact_or_not():
    """Sums of just 2^24 and just below; and bounds that are small only if each column is followed
    by itself.
    """
    for large in (LARGE, LARGE - 1, LARGE / 2 + 1):
        for place in (0, 1):
            position = positions(2)
            position[place]["junk"] = large
            yield f"{large:.0f} in position {place}", one_letter(position, columns=["junk"])
        yield (
            f"{large:.0f} in an unembedding's constant",
            one_letter(unembedding=ONE_BIT | {"rest": {"one": -large}}),
        )
        yield (
            f"{large:.0f} in an unembedding's code",
            one_letter(
                unembedding={
                    0: {"one": large // 2, "c": -large},
                    1: {"one": -(large // 2), "c": large},
                }
            ),
        )
        yield (
            f"{large:.0f} in a relation's embedding",
            one_letter(embedding={1: {"a": 1}, 2: {"junk": large}}, columns=["junk"]),
        )
        yield (
            f"{large:.0f} in a head's output",
            one_letter(
                [positions(2)[0] | {"z": 1}, positions(2)[1]],
                columns=["z", "y"],
                heads=[at(0, ("a", "c", 1), ("z", "y", large))],
            ),
        )
    half = LARGE / 2
    yield (
        "halves that meet in one column",
        one_letter(
            [positions(2)[0] | {"junk": half}, positions(2)[1]],
            {t: {"a": int(t == 1), "junk": half} for t in (0, 1)},
            columns=["junk"],
        ),
    )
    yield (
        "halves that a head brings together",
        one_letter(
            [positions(2)[0] | {"z": half}, positions(2)[1] | {"y": half}],
            columns=["z", "y"],
            heads=[at(0, ("a", "c", 1), ("z", "y", 1))],
        ),
    )
    yield (
        "a half that a head for a constant writes",
        one_letter(
            heads=[at(0, ("a", "c", 1)), Head([], [], [("one", "w", half)], "all", 0)],
            columns=["w"],
        ),
    )
    yield (
        "a score of 4096 times 4097",
        one_letter(
            embedding={1: {"a": 1}, 2: {"f": 4096}},
            columns=["f"],
            heads=[Head([{"f": 4097}], [{"p0": 1}], [("a", "c", 1)], 0, 4096 * 4097)],
        ),
    )
    yield (
        "2^20 in a relation's embedding",
        one_letter(embedding={1: {"a": 1}, 2: {"junk": 2.0**20}}, columns=["junk"]),
    )
    big = [row | {"big": 4097} for row in positions(2)]
    yield (
        "a query that is too large by itself",
        one_letter(
            big,
            columns=["big"],
            heads=[Head([{"one": 1024}, {"big": 4097}], [{"p0": 1}, {}], [("a", "c", 1)])],
        ),
    )
    yield (
        "a key that is too large by itself",
        one_letter(
            big,
            columns=["big"],
            heads=[Head([{"one": 1024}, {}], [{"p0": 1}, {"big": 4097}], [("a", "c", 1)])],
        ),
    )
    # what a letter has left, and as much in the same column or in another one
    for column in ("y", "z"):
        yield (
            f"what a letter has left, and a half in the column {column}",
            one_letter(
                embedding={1: {"a": 1}, 3: {"f": 4096}},
                columns=["f", "y", "z"],
                heads=[at(0, ("a", "c", 1)), at(1, ("f", "y", 2048))],
                units=[({"one": 1}, {column: half})],
                letters=[],
                later=[
                    (Layer([], [({"one": 1}, {column: -half})]), [], OF_TWO_RELATIONS["after"]),
                    LAST,
                ],
                **OF_TWO_RELATIONS,
            ),
        )
    small = {"columns": ["junk", "w"], "dtype": "float16"}
    unit = [({"p0": 40}, {"w": 1})]
    yield (
        "a unit of float16 beside a large constant",
        one_letter([row | {"junk": 1000} for row in positions(2)], units=unit, **small),
    )
    yield (
        "a unit of float16 beside a large letter",
        one_letter(embedding={1: {"a": 1}, 2: {"junk": 1000}}, units=unit, **small),
    )
    yield "a unit of 20000 in float16", one_letter(units=[({"p0": 20000}, {})], **small)
    yield "a unit of 32768 in float16", one_letter(units=[({"p0": 32768}, {})], **small)
    yield (
        "a number of the subject in float16",
        one_letter(  # a number of the subject
            embedding={1: {"a": 1, "junk": 1000}},
            heads=[at(0, ("a", "c", 1), ("junk", "y", 1))],
            units=[({"junk": 40}, {"w": 1})],
            books=[book(1), book(0)],
            subject=[block("a", 1), block("junk", 0, "number", 1)],
            **small | {"columns": ["junk", "w", "y"]},
        ),
    )
    yield "logits that cancel apart", logits_that_cancel_apart()
    more = [(Layer(), [], C)] * 5
    yield (
        "what a letter leaves in five more layers",
        one_letter(
            embedding={1: {"a": 1, "junk": 0}, 3: {"junk": 2000}}, later=more, **small, **OF_NODE
        ),
    )


def wrong():
    """What is refused, each for a reason that no other model is refused for."""
    files, claims = one_letter(), claims_of(one_letter())

    def reported(i, base=files, **changes):
        return with_claims(
            base, [claim | (changes if j == i else {}) for j, claim in enumerate(claims_of(base))]
        )

    def sized(**changes):
        return with_manifest(files, lambda manifest: manifest["sizes"].update(changes))

    def shaped(**changes):
        return with_manifest(files, lambda manifest: manifest["architecture"].update(changes))

    def weighed(data):
        return resealed(files, weights_safetensors=data)

    one, layers = (
        claims[3]["blocks"][0],
        json.loads(files["manifest.json"])["architecture"]["layers"],
    )
    # the manifest
    yield "no manifest", {name: data for name, data in files.items() if name != "manifest.json"}
    yield "a line after the manifest", files | {"manifest.json": files["manifest.json"] + b"\n"}
    yield "a manifest that ends early", files | {"manifest.json": b"{"}
    yield "a manifest without sizes", with_manifest(files, lambda manifest: manifest.pop("sizes"))
    yield (
        "specials in the wrong order",
        with_manifest(files, lambda manifest: manifest.update(specials=["unknown", "pad"])),
    )
    for size in ("d_model", "positions", "entities", "hops"):
        yield f"{size} is true", sized(**{size: True})
        yield f"{size} is -1", sized(**{size: -1})
    yield "three positions", sized(positions=3)
    yield "repeats is true", shaped(repeats=True)
    yield "no layers", shaped(layers=[])
    yield "a head's width is true", shaped(layers=[layers[0] | {"heads": [[True, 1]]}])
    yield "a head of one width", shaped(layers=[layers[0] | {"heads": [[1, 1], [1]]}])
    yield "a hidden layer of no units", shaped(layers=[layers[0] | {"d_mlp": [0]}])
    weights = weights_of(files)
    empty = {
        "layers.0.mlp.weights.0.weight": np.zeros((0, 5)),
        "layers.0.mlp.weights.1.weight": np.zeros((5, 0)),
    }
    yield (
        "weights for a hidden layer of no units",
        with_weights(shaped(layers=[layers[0] | {"d_mlp": [0]}]), weights | empty),
    )
    yield "a position too many", one_letter([*positions(2), {}])
    # files
    yield "two tables of facts", resealed(files, facts_tsv=b"", codebooks_safetensors=b"")
    both = {name: files[name] for name in ("facts.safetensors", "manifest.json")}
    yield "neither weights, names nor certificate", resealed(both, facts_tsv=b"")
    yield (
        "packed facts without a header",
        resealed(files, facts_safetensors=b"\1" + b"\0" * 7 + b"x"),
    )
    named = files_of(built("selector", 3))
    yield (
        "a fact of an unknown name",
        resealed(named, facts_tsv=named["facts.tsv"].replace(b"e1", b"e9")),
    )
    for what, text in (
        ("that ends early", b"{"),
        ("with NaN", files["certificate.json"].replace(b"1024", b"NaN")),
        ("with 1e3", b"[1, 1e3]"),
    ):
        yield f"a certificate {what}", resealed(files, certificate_json=text)
    unsorted = files["certificate.json"].replace(
        b'{"claim": "run", "letters": 1, "step": 1}', b'{"letters": 1, "claim": "run", "step": 1}'
    )
    assert unsorted != files["certificate.json"]
    yield "a claim whose keys are not sorted", resealed(files, certificate_json=unsorted)
    packed = files["weights.safetensors"]
    yield "a header longer than the file", weighed(b"\xff" * 8 + packed[8:])
    yield "weights without tensors", weighed((2).to_bytes(8, "little") + b"{}")
    yield "a header that is no JSON", weighed((1).to_bytes(8, "little") + b"x")
    yield "weights that are cut off", weighed(packed[:-4])
    yield "a shape in the wrong order", weighed(packed.replace(b"[4,5]", b"[5,4]"))
    length = int.from_bytes(packed[:8], "little")
    text = packed[8 : 8 + length].replace(b"[4,5]", b"[true,5]")
    yield (
        "a shape that is true",
        weighed(len(text).to_bytes(8, "little") + text + packed[8 + length :]),
    )
    for name in ("embedding", "positions", "layers.0.attention.key"):
        changed = {n: w.copy() for n, w in weights.items()}
        changed[f"{name}.weight"][-1 if name == "positions" else 0, 0] += 0.5
        if name == "embedding":
            changed[f"{name}.weight"][2, 0] += 0.5
        yield f"a half in {name}", with_weights(files, changed)
    for row in ({"a": 1, "one": 0.5}, {"a": 0.5}):
        yield f"a subject with the row {row}", one_letter(embedding={1: row})
    second = OF_TWO_RELATIONS | {"columns": [("b", 2)], "subject": [block("b", 1, last=(0, 2))]}
    # where the second letter leads
    yield (
        "a half where the second letter leads",
        one_letter(embedding={1: {"b0": 1, "b1": 0.5}}, **second),
    )
    yield (
        "a code that two entities have after the second letter",
        one_letter(
            embedding={t: {"b1": 1} for t in (0, 1)},
            **second | {"facts": np.array([[0, 0], [0, 1]])},
        ),
    )
    yield "a node without a code", a_node_without_a_code(-1)
    # limits
    yield (
        "a constant that is too large",
        one_letter(unembedding=ONE_BIT | {"rest": {"one": -(2.0**53)}}, dtype="float64"),
    )
    yield (
        "a number just beyond the largest",
        numbers(BENT_TWICE | {2: {"c": 2.0**29 - 2, "one": 4 - 2.0**31}}, dtype="float64"),
    )
    for unknown in (2049, 70000):
        missing = np.array([[0, -1]]), [book(0, unknown)]
        yield (
            f"the number {unknown} of *unknown* in float16",
            numbers({0: {}, "rest": {"one": -100}}, 2048, *missing, dtype="float16"),
        )
    for number in (2.0**29, 2.0**29 - 1):
        yield (
            f"the number {number:.0f}",
            numbers({0: {}, 1: {"c": 1}, "rest": {"one": -100}}, number, dtype="float64"),
        )
    # slots, books and blocks
    yield "a slot without a name", reported(1, slots=[["", 0], *claims[1]["slots"]])
    for change in (
        {"note": 1},
        {"bits": 51},
        {"bits": True},
        {"unknown": True},
        {"unknown": 2**50},
        {"unknown": -1},
    ):
        yield f"a book with {change}", reported(2, books=[claims[2]["books"][0] | change])
    yield "a block's book is false", reported(3, blocks=[one | {"book": False}])
    yield "a block's words are true", reported(3, blocks=[one | {"words": True}])
    yield "a block of -1 words", reported(3, blocks=[one | {"words": -1}])
    yield "a block whose last letters are none", reported(3, blocks=[one | {"last": [0, 0]}])
    yield (
        "blocks of no and one letter in one slot",
        reported(3, blocks=[block("a", 0), block("a", 1)]),
    )
    yield (
        "a code of *unknown* with too many bits",
        one_letter(facts=np.array([[0, -1]]), books=[book(1, 2)]),
    )
    for name, slot in (("selector", "attributes"), ("key_value", "state"), ("precomputed", None)):
        base = files_of(built(name, 3))
        subject = claims_of(base)[3]["blocks"]
        if subject[0]["words"] == 0:
            yield (
                f"{name} with a last letter more",
                reported(3, base, blocks=[subject[0] | {"last": [0, 1]}, *subject[1:]]),
            )
            yield (
                f"{name} with another last letter",
                reported(3, base, blocks=[subject[0] | {"last": [1, 2]}, *subject[1:]]),
            )
        slots = claims_of(base)[1]["slots"]
        slot = slot or subject[-1]["slot"]
        for less in (1, 2, 3):
            if dict(slots)[slot] > less:
                narrow = [[s, size - less] if s == slot else [s, size] for s, size in slots]
                yield (
                    f"{name} whose slot is narrower by {less}",
                    reported(1, base, slots=[*narrow, ["more", less]]),
                )
    # passes and heads
    for letters in ([2], [1, 2], [0]):
        yield f"a pass over the letters {letters}", reported(5, letters=letters)
    for after in ([], 1, {"a": 1}, ["a"]):
        yield f"a pass that leaves {after}", reported(5, after=after)
    yield "a layer more than runs", one_letter(later=[(Layer(), [], None)])
    yield (
        "more words than are counted",
        hand_made(
            np.zeros((2, 1), int),
            ["one", ("a", 2)],
            {0: {"a0": 1}},
            [{"one": 1}] * 24,
            [Layer()],
            {},
            [book(2)],
            [block("a", 0, last=(0, 2))],
            [(list(range(1, 24)), None)],
            LETTERS,
            hops=23,
        ),
    )
    for name in ("attention_selector", "key_value_rows", "hybrid"):
        dependent = files_of(built(name, 3))
        for i, claim in enumerate(claims_of(dependent)):
            if isinstance(claim.get("reads"), dict):
                yield (
                    f"{name} whose selection has a note",
                    reported(i, dependent, reads=claim["reads"] | {"note": 1}),
                )
                yield (
                    f"{name} whose selection names a letter alone",
                    reported(i, dependent, reads={"letter": 0}),
                )
                break
    yield "a leak that moves scores by 1.31", shaken(1800, 0)  # by 1.31
    yield (
        "a subject that is not at hand any more",
        chain((0, 0, 4), {"q": 1}),
    )  # the subject is not at hand any more
    # the decoder
    yield (
        "a unit takes away the only answer",
        one_letter(
            facts=np.array([[0, 0]]),
            embedding={0: {}},
            units=[({"c": 1}, {"c": -1})],
            after=[block("c", 1)],
            decoder=NODE,
        ),
    )
    yield (
        "a unit fires for the first node",
        two_bits(  # the last unit fires for the first node
            identity(4),
            FOUR,
            BOTH,
            THREE,
            units=[({"c0": -1, "c1": -1, "one": 1}, {"w": 1})],
            columns=[*TWO_BITS, "w"],
            subject=[block("a", 0)],
        ),
    )
    leaky = Head([{"one": 20}], [{"p0": 1}], [("a", "c", 1)], 0, 20)
    yield (
        "a leak in a number",
        one_letter(
            heads=[leaky],
            embedding={1: {"a": 1}},
            books=[book(0)],
            subject=[block("a", 1, "number")],
            unembedding=BENT,
        ),
    )
    yield (
        "a bit beside a number",
        hand_made(
            identity(2),
            ["one", "a", "b", "c", "d"],
            {1: {"a": 2, "b": 1}},
            [{"one": 1}] * 2,
            [Layer([Head([], [], [("a", "c", 2), ("b", "d", 2)], "all", 0)])],
            {0: {}, 1: {"c": 4, "one": -4, "d": 1}, "rest": {"one": -100}},
            [book(0), book(1)],
            [block("a", 1, "number"), block("b", 0, book=1)],
            [([1], None)],
            LETTERS,
        ),
    )
