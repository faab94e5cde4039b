"""What a checker is tried on: honest models that it must prove with the right numbers, dishonest
ones that it must not.
"""

import itertools
import json
import tempfile
import warnings
from pathlib import Path

import corners
import numpy as np
import safetensors.torch
import torch
from bad_folders import described_as_they_are
from exploits import BOTH, EXPLOITS, FOUR, ROUNDED, THREE, TWO_BITS, C, one_letter, two_bits
from hand_made import (
    NODE,
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
    resealed,
    weights_of,
    with_claims,
    with_manifest,
    with_weights,
)

from constructions import CATALOGUE, Codebook, FactTable, save, selector
from verify.runner import attack
from verify.symbolic.checker import check_files


class Battery:
    """Fixed models, each with all that is to be found of it; what has reported a fault is tried
    first on the next.
    """

    def __init__(self):
        by_hand = [make() for make, _ in (*ROUNDED.values(), *EXPLOITS.values())]
        quick_first = sorted(
            [*by_hand, *forged(), *misdescribed(), *honest_models()],
            key=lambda files: len(files["certificate.json"]),
        )
        self.models = [(files, check_files(files)) for files in (*quick_first, *attacked())]

    def suspicious(self, check):
        """Whether a checker passes what is wrong, or does not find of what is right just what is
        to be found.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, of what overflows
            for i, (files, expected) in enumerate(self.models):
                found = check(files)
                if (
                    vars(found) != vars(expected)
                    if expected.verdict == "PASS"
                    else found.verdict == "PASS"
                ):
                    self.models.insert(0, self.models.pop(i))
                    return True
        return False


def honest_models():
    for name, entry in CATALOGUE.items():
        yield files_of(built(name, 3, hops=2))
        if entry.random_partial_facts and name in (
            "selector",
            "key_value_rows_shared",
            "hybrid",
            "chain_of_thought",
        ):
            yield files_of(built(name, 4, hops=2, partial=True))
    yield files_of(built("chain_of_thought", 3, 2, 3, given={"hops_per_token": 2}))
    yield files_of(built("scalar_selector", 3, dtype=torch.bfloat16))
    yield files_of(built("selector", 3, dtype=torch.float64))
    yield files_of(selector(FactTable([[1, 0, -1]], ["# 1", "b", "c"])))
    chain = files_of(built("chain_of_thought", 3, hops=2))
    weights = weights_of(chain)
    weights["unembedding.weight"][-1] *= 3
    yield with_weights(chain, weights)
    # rounds
    yield one_letter(
        heads=[Head([{"one": 4095}], [{"p0": 8193}], [("a", "c", 1)], 0, 4095 * 8193)]
    )
    yield one_letter(columns=["w"], units=[({"c": 2**13}, {"w": 2**13})])  # 2^26
    yield one_letter(columns=["w"], units=[({"c": 2**13}, {"w": -(2**13)})])
    scaled = {0: {"one": 2, "c": -2}, 1: {"one": -2, "c": 2}, "rest": {"one": -100}}
    # leaks
    yield one_letter(
        heads=[Head([{"one": 8}], [{"p0": 1}], [("a", "c", 2)], 0, 8)], unembedding=scaled
    )
    yield two_bits(  # 2^26 for a single code
        identity(4),
        FOUR,
        BOTH,
        THREE,
        after=C,
        columns=[*TWO_BITS, "w"],
        subject=[block("a", 0)],
        units=[({"c0": 2**13, "c1": 2**13, "one": -(2**13)}, {"w": 2**13})],
    )
    for name in ("selector", "hybrid"):
        model = built(name, 3)
        for parameter in model.parameters():
            parameter.data[parameter == 0] = -0.0
        yield files_of(model)


def packed(facts):
    """A selector of packed facts e0 -> e1, e1 -> e0, with other ones in their place."""
    files = files_of(selector(FactTable([[1, 0, -1]], ["# 1", "b", "c"])))
    return resealed(files, facts_safetensors=safetensors.torch.save({"facts": facts}))


def average_of_three():
    """A model that is right, but a third is no floating-point number."""
    return hand_made(
        identity(2),
        ["one", "a", "c"],
        {1: {"a": 1}},
        [{"one": 1}] * 3,
        [Layer([Head([], [], [("a", "c", 3)], "all", 0)]), Layer()],
        ONE_BIT,
        [book(1)],
        [block("a", 2)],
        [([1, 2], C), ([], C)],
        NODE,
        hops=2,
    )


def forged():
    """Files that say something else than they should, of models that are right."""
    files = one_letter()
    claims = claims_of(files)

    def reported(i, **changes):
        return with_claims(
            files, [claim | (changes if j == i else {}) for j, claim in enumerate(claims)]
        )

    yield resealed(files, certificate_json=files["certificate.json"] + b"\n")
    for i in range(len(claims)):
        yield reported(i, claim="other")
        yield reported(i, note=1)
        yield with_claims(files, claims[:i] + claims[i + 1 :])
        yield with_claims(files, [*claims, claims[i]])
    for i, claim in enumerate(claims):
        for key, value in claim.items():
            if type(value) is int:
                yield reported(i, **{key: value + 1})
                yield reported(i, **{key: True})
    yield reported(0, hops_per_token=1, queries=2)
    slots = claims[1]["slots"]
    yield reported(1, slots=[*slots[:-1], ["c", 2]])
    yield reported(1, slots=[slots[0], slots[1], ["one", 1], *slots[3:]])
    yield reported(2, books=[*claims[2]["books"], {"bits": 1, "unknown": None}])
    yield reported(2, books=[{"bits": 1, "unknown": 0}])
    one = claims[3]["blocks"][0]
    for change in (
        {"note": 1},
        {"form": "number"},
        {"words": 2},
        {"last": [0, 2]},
        {"last": [-1, 1]},
    ):
        yield reported(3, blocks=[one | change])
    yield reported(3, blocks=[one, one])
    yield reported(6, reads=1)
    yield resealed(
        files, certificate_json=files["certificate.json"].replace(b'"reads": 0', b'"reads": 0.0')
    )
    yield reported(6, **{"from": ["a", "c"]})
    yield reported(6, to=[])
    # files
    yield files | {"vocabulary.txt": files["vocabulary.txt"].replace(b"e1", b"e2")}
    yield files | {"facts.tsv": b""}
    yield resealed(files, notes_txt=b"mine")
    yield files | {
        "manifest.json": files["manifest.json"].replace(b'"dtype"', b'"dtype": "float64", "dtype"')
    }
    yield with_manifest(files, lambda manifest: manifest.update(format=1))
    yield resealed(files, weights_safetensors=files["weights.safetensors"] + b"\0\0\0\0")
    yield resealed(files, vocabulary_txt=files["vocabulary.txt"].replace(b"unknown", b"unknowm"))
    yield resealed(files, vocabulary_txt=files["vocabulary.txt"].removesuffix(b"\n") + b"\tx")
    weights = weights_of(files)
    yield with_weights(
        files, weights | {"unembedding.weight": weights["unembedding.weight"] + 0.5}
    )
    yield with_manifest(files, lambda manifest: manifest["sizes"].update(relations=True))
    unread = [block("a", 1), block("b", 0)]
    yield one_letter(columns=["b"], embedding={1: {"a": 1, "b": 1}}, subject=unread)
    yield average_of_three()
    for answers in ([1, 0, -2], [1, 0, 3]):
        yield packed(torch.tensor([answers], dtype=torch.int32))
    yield packed(torch.tensor([[1, 0, -1]]))
    yield packed(torch.tensor([1, 0, -1], dtype=torch.int32))
    files = files_of(built("selector", 3))
    yield resealed(files, facts_tsv=files["facts.tsv"].removesuffix(b"\n") + b"x")
    yield resealed(
        files, facts_tsv=files["facts.tsv"] + files["facts.tsv"].splitlines(keepends=True)[0]
    )
    files = one_letter()
    header_ends = 8 + int.from_bytes(files["weights.safetensors"][:8], "little")
    header = json.loads(files["weights.safetensors"][8:header_ends])
    last = max(header.values(), key=lambda entry: entry["data_offsets"])
    last["data_offsets"] = [place + 4 for place in last["data_offsets"]]
    text = json.dumps(header).encode()
    moved = len(text).to_bytes(8, "little") + text + files["weights.safetensors"][header_ends:]
    yield resealed(files, weights_safetensors=moved)
    yield reported(3, blocks=[one | {"words": True}])


def misdescribed():
    """Right models in folders that say something false of themselves, or are not written as
    folders are.
    """
    files = files_of(
        selector(FactTable.random_bijections(4, 2, seed=3), codebook=Codebook(np.arange(5)))
    )

    def described(**changes):
        return with_manifest(files, lambda manifest: manifest.update(changes))

    def with_header(change, name="weights.safetensors"):
        raw = files[name]
        length = int.from_bytes(raw[:8], "little")
        text = change(raw[8 : 8 + length])
        return described_as_they_are(
            files | {name: len(text).to_bytes(8, "little") + text + raw[8 + length :]}
        )

    def with_books(**books):
        tensors = {name.removeprefix("_"): torch.tensor(tokens) for name, tokens in books.items()}
        return described_as_they_are(
            files | {"codebooks.safetensors": safetensors.torch.save(tensors)}
        )

    sizes = json.loads(files["manifest.json"])["sizes"]
    yield files | {"manifest.json": files["manifest.json"] + b"\n"}
    yield files | {
        "manifest.json": files["manifest.json"].replace(b'"sha256": "', b'"sha256":  "', 1)
    }
    for key in ("d_vocab", "parameters"):
        for change in (-1, 1):
            yield described(sizes=sizes | {key: sizes[key] + change})
    yield described(options={"hops": 2})
    yield described(options={"x": "y"})
    yield described(builder=1)
    yield described(note="mine")
    yield with_manifest(
        files, lambda manifest: manifest["files"]["vocabulary.txt"].update(bytes=1)
    )
    yield with_manifest(
        files, lambda manifest: manifest["files"]["vocabulary.txt"].update(sha256="0" * 64)
    )
    yield with_header(lambda text: b" " + text)
    yield with_header(lambda text: text.replace(b"[0,", b"[-0,", 1))
    yield with_header(lambda text: text.replace(b"{", b'{"__metadata__":{"a":"b"},', 1))
    for books in ([0, 1, 2, 3, 7], [0, 1, 2, 4, 3], [-1, 1], [0, 1, 1]):
        yield with_books(_0=books)
    yield with_books(_1=[0, 1, 2, 3])
    yield with_books(_0=[[0, 1, 2, 3]])
    other = files_of(selector(FactTable([[1, 0, -1]], ["# 1", "b", "c"])))
    for b, c in (
        ("b ", "c"),
        ("\u00a0b", "c"),
        ("b\x1b", "c"),
        ("\ufeffb", "c"),
        ("", "c"),
        ("\u00e9", "e\u0301"),
    ):
        names = other["vocabulary.txt"].replace(b"\nb\nc\n", f"\n{b}\n{c}\n".encode())
        yield described_as_they_are(other | {"vocabulary.txt": names})
    yield described_as_they_are(other | {"vocabulary.txt": b"\xff" + other["vocabulary.txt"]})


def attacked():
    """Models of the catalogue of which a weight or a fact is not what it was, so that they answer
    wrong.
    """
    for i, name in enumerate(CATALOGUE):
        with tempfile.TemporaryDirectory() as folder:
            save(built(name, 3, hops=2, seed=i), Path(folder) / "model")
            target = attack._Target(Path(folder) / "model")
            for kind, n in (("weights", 1), ("facts", 1)):
                found = 0
                for _, files, model, facts in itertools.islice(
                    attack.KINDS[kind](target, np.random.default_rng(i)), 12
                ):
                    if found < n and not attack._right(model, facts):
                        found += 1
                        yield files


GROUPS = {
    "rounded": lambda: (make() for make, _ in ROUNDED.values()),
    "exploit": lambda: (make() for make, _ in EXPLOITS.values()),
    "forged": forged,
    "misdescribed": misdescribed,
    "honest": honest_models,
    "right": corners.right,
    "exact": corners.exact_or_not,
    "wrong": corners.wrong,
    "attacked": attacked,
}
