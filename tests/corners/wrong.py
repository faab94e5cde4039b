"""Folders that are refused, each for a reason of its own."""

import json

import numpy as np
from exploits.small_models import (
    BOTH,
    FOUR,
    OF_TWO_RELATIONS,
    THREE,
    TWO_BITS,
    a_node_without_a_code,
    chain,
    numbers,
    one_letter,
    two_bits,
)
from hand_made import (
    ONE_BIT,
    Head,
    Layer,
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

from corners.shapes import BENT_TWICE, shaken


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
        claims[1]["blocks"][0],
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
        ("with NaN", files["certificate.json"].replace(b"[1]", b"[NaN]")),
        ("with 1e3", b"[1, 1e3]"),
    ):
        yield f"a certificate {what}", resealed(files, certificate_json=text)
    unsorted = files["certificate.json"].replace(
        b'{"claim": "task", "hops_per_token": 0', b'{"hops_per_token": 0, "claim": "task"'
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
    first, second = positions(2)
    yield (
        "a constant that is too large",
        one_letter(
            [first, second | {"w": 32}],
            columns=["w"],
            unembedding=ONE_BIT | {"rest": {"w": -(2.0**51)}},
            dtype="float64",
        ),
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
    yield "a block's book is false", reported(1, blocks=[one | {"book": False}])
    yield "a block's words are true", reported(1, blocks=[one | {"words": True}])
    yield "a block of -1 words", reported(1, blocks=[one | {"words": -1}])
    yield "a block whose last letters are none", reported(1, blocks=[one | {"last": [0, 0]}])
    yield (
        "a block of no and one of one letter in one column",
        reported(1, blocks=[one | {"words": 0}, one]),
    )
    yield (
        "a code of *unknown* with too many bits",
        one_letter(facts=np.array([[0, -1]]), books=[book(1, 2)]),
    )
    for name in ("selector", "key_value", "precomputed"):
        base = files_of(built(name, 3))
        subject = claims_of(base)[1]["blocks"]
        for last in ([0, 1], [1, 2], [0, 3]):
            yield (
                f"{name} with the last letters {last}",
                reported(1, base, blocks=[subject[0] | {"last": last}, *subject[1:]]),
            )
        start, stop = subject[-1]["columns"]
        wide = min(stop + 2, json.loads(base["manifest.json"])["sizes"]["d_model"])
        for columns in ([start + 1, stop], [start, stop - 1], [start, wide]):
            narrow = subject[-1] | {"columns": columns}
            yield f"{name} with the columns {columns}", reported(1, base, blocks=[narrow])
    # passes and heads
    for letters in ([2], [1, 2], [0]):
        yield f"a pass over the letters {letters}", reported(2, letters=letters)
    for after in ([], 1, {"a": 1}, ["a"], [{"columns": [4, 5], "a": 1}]):
        yield f"a pass that leaves {after}", reported(2, keeps=after)
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
            hops=23,
        ),
    )
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
    yield (
        "a bit beside a number",
        hand_made(
            identity(2),
            ["one", "a", "b", "c", "d"],
            {1: {"a": 2, "b": 1}},
            [{"one": 1}] * 2,
            [Layer([Head([], [], [("a", "c", 2), ("b", "d", 2)])])],
            {0: {}, 1: {"c": 4, "one": -4, "d": 1}, "rest": {"one": -100}},
            [book(0), book(1)],
            [block("a", 1, "number"), block("b", 0, book=1)],
            [([1], None)],
        ),
    )
