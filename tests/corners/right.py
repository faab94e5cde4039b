"""Models that are right, and proven: by one, at a limit, or of a rare shape."""

import numpy as np
from exploits.small_models import (
    BOTH,
    FOUR,
    LAST,
    OF_NODE,
    OF_TWO_RELATIONS,
    THREE,
    TWO_BITS,
    C,
    chain,
    chain_with_a_flag,
    numbers,
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
    files_of,
    hand_made,
    identity,
    positions,
    weights_of,
    with_weights,
)

from constructions import FactTable, selector
from corners.shapes import (
    BENT,
    BENT_TWICE,
    CLOSE,
    THREE_KINDS,
    backwards,
    exclusive_or,
    fifty_bits,
    in_the_second_book,
    leaking,
    mixed_units,
    settled,
    shaken,
    three_kinds,
    three_letters_at_once,
    two_hops_at_once,
)


def of_logits_and_leaks():
    """Small gaps, small logits, and rows of several kinds."""
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
        ),
    )


def of_numbers():
    """Answers that are numbers, and rows that bend."""
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
    leaky = Head([{"one": 20}], [{"p0": 1}], [("a", "c", 1)])
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
        "a number in two columns",
        one_letter(
            columns=["e"],
            heads=[at(0, ("a", "c", 1), ("a", "e", 1))],
            books=[book(0)],
            subject=[block("a", 1, "number")],
            unembedding={0: {}, 1: {"c": 2, "e": 2, "one": -2}, "rest": {"one": -100}},
        ),
    )
    yield (
        "a number of 2^20",
        numbers(
            {0: {}, 1: {"c": 2.0**21, "one": -(2.0**40)}, "rest": {"one": -(2.0**41)}},
            2**20,
            dtype="float64",
        ),
    )
    yield (
        "a number next to the largest",
        numbers(BENT_TWICE | {2: {"c": 2.0**29 - 2, "one": 5 - 2.0**31}}, dtype="float64"),
    )
    average = Head([], [], [("a", "a", 2)])
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
                [Layer([Head([], [], [("a", "c", 2)])], [(unit, {})])],
                BENT,
                [book(0)],
                [block("a", 1, "number")],
                [([1], None)],
            ),
        )


def of_heads():
    """Heads that average, leak, or read several letters."""
    yield (
        "a head for a constant beside the head for the subject",
        one_letter(columns=["w"], heads=[Head([], [], [("one", "w", 1)]), at(0, ("a", "c", 1))]),
    )
    yield (
        "four positions in equal parts",
        hand_made(  # four positions in equal parts
            identity(2),
            ["one", "a", "c"],
            {1: {"a": 1}},
            [{"one": 1}] * 4,
            [Layer([Head([], [], [("a", "c", 4)])]), Layer(), Layer()],
            ONE_BIT,
            [book(1)],
            [block("a", 3)],
            [([1], [block("c", 2)]), ([2], [block("c", 1)]), ([3], [block("c", 0)])],
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
    yield (
        "the largest constant",
        one_letter(unembedding=ONE_BIT | {"rest": {"one": -(2.0**53)}}, dtype="float64"),
    )
    large = 2.0**49  # margins of 2^49 and more count as 2^49
    large_code = {
        0: {"one": large, "c": -2 * large},
        1: {"one": -large, "c": 2 * large},
        "rest": {"one": -2 * large},
    }
    yield "a margin beyond 2^49", one_letter(unembedding=large_code, dtype="float64")


def of_units():
    """Units that never fire, fire for no code, or write the answer."""
    yield "exclusive or", exclusive_or()
    yield (
        "a unit that writes the only answer",
        one_letter(
            facts=np.array([[0, 0]]),
            embedding={0: {}},
            units=[({"c": 1}, {"c": -1})],
            after=C,
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
    average = Head([], [], [("a", "a", 4)])
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


def of_files():
    """Names, tables and tensors that are rare."""
    yield "names with spaces", files_of(selector(FactTable([[1, 0]], ["a b", "c  d"])))
    yield "a table without facts", files_of(selector(FactTable([[-1, -1]])))
    yield "tensors in the opposite order", backwards(one_letter())
    yield "codes of fifty bits", fifty_bits()


def right():
    """All of them."""
    for models in (of_logits_and_leaks, of_numbers, of_heads, of_units, of_files):
        yield from models()
