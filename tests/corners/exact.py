"""Models that are exact in their dtype, or not by one."""

from exploits.small_models import LAST, OF_NODE, OF_TWO_RELATIONS, C, one_letter
from hand_made import (
    ONE_BIT,
    Head,
    Layer,
    at,
    block,
    book,
    positions,
)

from corners.shapes import LARGE, logits_that_cancel_apart


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
            heads=[at(0, ("a", "c", 1)), Head([], [], [("one", "w", half)])],
            columns=["w"],
        ),
    )
    yield (
        "a score of 4096 times 4097",
        one_letter(
            embedding={1: {"a": 1}, 2: {"f": 4096}},
            columns=["f"],
            heads=[Head([{"f": 4097}], [{"p0": 1}], [("a", "c", 1)])],
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
