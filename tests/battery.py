"""What a checker is tried on: honest models that it must prove with the right numbers, dishonest
ones that it must not. Each has a name, under which `verdicts.txt` holds what the checker says.
"""

import itertools
import json
import tempfile
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from corners.exact import exact_or_not
from corners.right import right
from corners.wrong import wrong
from exploits import EXPLOITS, ROUNDED
from exploits.small_models import BOTH, FOUR, THREE, TWO_BITS, C, one_letter, two_bits
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
    resealed,
    weights_of,
    with_claims,
    with_manifest,
    with_weights,
)
from random_folder_edits import described_as_they_are

from constructions import CATALOGUE, Codebook, FactTable, save, selector
from verify.attacking import attack, kinds
from verify.attacking.target import Target


def honest_models():
    for name, entry in CATALOGUE.items():
        yield name, files_of(built(name, 3, hops=2))
        if entry.missing and name in (
            "selector",
            "key_value_rows_shared",
            "hybrid",
            "chain_of_thought",
        ):
            yield f"{name} of partial facts", files_of(built(name, 4, hops=2, partial=True))
    yield (
        "chain_of_thought that writes two hops at once",
        files_of(built("chain_of_thought", 3, 2, 3, given={"hops_per_token": 2})),
    )
    yield (
        "scalar_selector in bfloat16",
        files_of(built("scalar_selector", 3, dtype=torch.bfloat16)),
    )
    yield "selector in float64", files_of(built("selector", 3, dtype=torch.float64))
    yield (
        "selector of packed facts",
        files_of(selector(FactTable([[1, 0, -1]], ["# 1", "b", "c"]))),
    )
    chain = files_of(built("chain_of_thought", 3, hops=2))
    weights = weights_of(chain)
    weights["unembedding.weight"][-1] *= 3
    yield "chain_of_thought whose END is louder", with_weights(chain, weights)
    # rounds
    yield (
        "a head that rounds",
        one_letter(heads=[Head([{"one": 4095}], [{"p0": 8193}], [("a", "c", 1)])]),
    )
    yield (
        "a unit that rounds upwards",
        one_letter(columns=["w"], units=[({"c": 2**13}, {"w": 2**13})]),
    )  # 2^26
    yield (
        "a unit that rounds downwards",
        one_letter(columns=["w"], units=[({"c": 2**13}, {"w": -(2**13)})]),
    )
    scaled = {0: {"one": 2, "c": -2}, 1: {"one": -2, "c": 2}, "rest": {"one": -100}}
    # leaks
    yield (
        "a head that leaks",
        one_letter(heads=[Head([{"one": 8}], [{"p0": 1}], [("a", "c", 2)])], unembedding=scaled),
    )
    yield (
        "a unit of 2^26 for a single code",
        two_bits(  # 2^26 for a single code
            identity(4),
            FOUR,
            BOTH,
            THREE,
            after=C,
            columns=[*TWO_BITS, "w"],
            subject=[block("a", 0)],
            units=[({"c0": 2**13, "c1": 2**13, "one": -(2**13)}, {"w": 2**13})],
        ),
    )
    for name in ("selector", "hybrid"):
        model = built(name, 3)
        for parameter in model.parameters():
            parameter.data[parameter == 0] = -0.0
        yield f"{name} with zeros of minus sign", files_of(model)


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
        [Layer([Head([], [], [("a", "c", 3)])]), Layer()],
        ONE_BIT,
        [book(1)],
        [block("a", 2)],
        [([1, 2], C), ([], C)],
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

    yield (
        "a line after the certificate",
        resealed(files, certificate_json=files["certificate.json"] + b"\n"),
    )
    for i in range(len(claims)):
        yield f"claim {i} is another", reported(i, claim="other")
        yield f"claim {i} has a note", reported(i, note=1)
        yield f"claim {i} is left out", with_claims(files, claims[:i] + claims[i + 1 :])
        yield f"claim {i} stands twice", with_claims(files, [*claims, claims[i]])
    for i, claim in enumerate(claims):
        for key, value in claim.items():
            if type(value) is int:
                yield f"claim {i} has a {key} more by one", reported(i, **{key: value + 1})
                yield f"claim {i} has a {key} that is true", reported(i, **{key: True})
    yield "hops for each token of one that writes none", reported(0, hops_per_token=1)
    one = claims[1]["blocks"][0]
    other = {"columns": [4, 5]}  # the column `c` of the same model
    for unknown in ([None, None], [], [0], [1], None, 1, [True], [2**50]):
        yield f"the numbers {unknown} of *unknown*", reported(1, unknown=unknown)
    for change in (
        {"note": 1},
        {"form": "number"},
        {"form": "other"},
        {"words": 2},
        {"last": [0, 2]},
        {"last": [-1, 1]},
        {"columns": [3, 3]},
        {"columns": [3, 5]},
        {"columns": [4, 3]},
        {"columns": [5, 6]},
        {"columns": [3]},
        {"columns": [3, True]},
        {"columns": None},
        {"book": 1},
        other,
    ):
        yield f"a block with {change}", reported(1, blocks=[one | change])
    yield "a block that stands twice", reported(1, blocks=[one, one])
    yield "a block of columns alone", reported(1, blocks=[{"columns": [3, 4]}])
    yield "a block of columns alone beside it", reported(1, blocks=[one, other])
    yield "a block that is a number", reported(1, blocks=[1])
    yield "no blocks", reported(1, blocks=[])
    yield "a pass that keeps columns alone", reported(2, keeps=[other])
    yield "a pass that keeps the node before", reported(2, keeps=[one])
    yield "a pass that keeps the word once more", reported(2, keeps=[one | other])
    yield "a pass that keeps what it wrote", reported(2, keeps=[one | other | {"words": 0}])
    yield "a letter that is true", reported(2, letters=[True])
    # files
    yield (
        "a vocabulary whose hash is another",
        files | {"vocabulary.txt": files["vocabulary.txt"].replace(b"e1", b"e2")},
    )
    yield "facts whose hash is another", files | {"facts.tsv": b""}
    yield "a file too many", resealed(files, notes_txt=b"mine")
    yield (
        "a manifest with a key twice",
        files
        | {
            "manifest.json": files["manifest.json"].replace(
                b'"dtype"', b'"dtype": "float64", "dtype"'
            )
        },
    )
    yield "another format", with_manifest(files, lambda manifest: manifest.update(format=1))
    yield (
        "weights with bytes at the end",
        resealed(files, weights_safetensors=files["weights.safetensors"] + b"\0\0\0\0"),
    )
    yield (
        "a vocabulary without *unknown*",
        resealed(files, vocabulary_txt=files["vocabulary.txt"].replace(b"unknown", b"unknowm")),
    )
    yield (
        "a name with a tab",
        resealed(files, vocabulary_txt=files["vocabulary.txt"].removesuffix(b"\n") + b"\tx"),
    )
    weights = weights_of(files)
    yield (
        "a half in the unembedding",
        with_weights(files, weights | {"unembedding.weight": weights["unembedding.weight"] + 0.5}),
    )
    yield (
        "a count of relations that is true",
        with_manifest(files, lambda manifest: manifest["sizes"].update(relations=True)),
    )
    unread = [block("a", 1), block("b", 0)]
    yield (
        "a word that is never read",
        one_letter(columns=["b"], embedding={1: {"a": 1, "b": 1}}, subject=unread),
    )
    yield "an average of three", average_of_three()
    for answers in ([1, 0, -2], [1, 0, 3]):
        yield f"packed facts {answers}", packed(torch.tensor([answers], dtype=torch.int32))
    yield "packed facts of 64 bits", packed(torch.tensor([[1, 0, -1]]))
    yield "packed facts of one axis", packed(torch.tensor([1, 0, -1], dtype=torch.int32))
    files = files_of(built("selector", 3))
    yield (
        "a fact file that ends early",
        resealed(files, facts_tsv=files["facts.tsv"].removesuffix(b"\n") + b"x"),
    )
    yield (
        "a fact that stands twice",
        resealed(
            files, facts_tsv=files["facts.tsv"] + files["facts.tsv"].splitlines(keepends=True)[0]
        ),
    )
    files = one_letter()
    header_ends = 8 + int.from_bytes(files["weights.safetensors"][:8], "little")
    header = json.loads(files["weights.safetensors"][8:header_ends])
    last = max(header.values(), key=lambda entry: entry["data_offsets"])
    last["data_offsets"] = [place + 4 for place in last["data_offsets"]]
    text = json.dumps(header).encode()
    moved = len(text).to_bytes(8, "little") + text + files["weights.safetensors"][header_ends:]
    yield "a hole before the last tensor", resealed(files, weights_safetensors=moved)
    yield "a block's words are true", reported(1, blocks=[one | {"words": True}])


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
    yield "a line after the manifest", files | {"manifest.json": files["manifest.json"] + b"\n"}
    yield (
        "a space in the manifest",
        files
        | {"manifest.json": files["manifest.json"].replace(b'"sha256": "', b'"sha256":  "', 1)},
    )
    for key in ("d_vocab", "parameters"):
        for change in (-1, 1):
            yield f"{key} {change:+d}", described(sizes=sizes | {key: sizes[key] + change})
    yield "more hops than positions", described(sizes=sizes | {"hops": 2})
    yield "an option of another name", described(options={"x": "y"})
    yield "a builder that is a number", described(builder=1)
    yield "a note", described(note="mine")
    yield (
        "a file of another length",
        with_manifest(files, lambda manifest: manifest["files"]["vocabulary.txt"].update(bytes=1)),
    )
    yield (
        "a file of another hash",
        with_manifest(
            files, lambda manifest: manifest["files"]["vocabulary.txt"].update(sha256="0" * 64)
        ),
    )
    yield "a space before the header", with_header(lambda text: b" " + text)
    yield "an offset of -0", with_header(lambda text: text.replace(b"[0,", b"[-0,", 1))
    yield (
        "a header with metadata",
        with_header(lambda text: text.replace(b"{", b'{"__metadata__":{"a":"b"},', 1)),
    )
    for books in ([0, 1, 2, 3, 7], [0, 1, 2, 4, 3], [-1, 1], [0, 1, 1]):
        yield f"a codebook of {books}", with_books(_0=books)
    yield "a codebook of a second relation", with_books(_1=[0, 1, 2, 3])
    yield "a codebook of two axes", with_books(_0=[[0, 1, 2, 3]])
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
        yield (
            f"the names {b!a} and {c!a}",
            described_as_they_are(other | {"vocabulary.txt": names}),
        )
    yield (
        "names that are no UTF-8",
        described_as_they_are(other | {"vocabulary.txt": b"\xff" + other["vocabulary.txt"]}),
    )


def attacked():
    """Models of the catalogue of which a weight or a fact is not what it was, so that they answer
    wrong.
    """
    for i, name in enumerate(CATALOGUE):
        with tempfile.TemporaryDirectory() as folder:
            save(built(name, 3, hops=2, seed=i), Path(folder) / "model")
            target = Target(Path(folder) / "model")
            for kind in ("weights", "facts"):
                for _, files, model, facts in itertools.islice(
                    kinds.KINDS[kind](target, np.random.default_rng(i)), 12
                ):
                    if not attack.is_right(model, facts):
                        yield f"{name} with other {kind}", files
                        break


GROUPS = {
    "rounded": lambda: ((name, make()) for name, (make, _) in ROUNDED.items()),
    "exploit": lambda: ((name, make()) for name, (make, _) in EXPLOITS.items()),
    "forged": forged,
    "misdescribed": misdescribed,
    "honest": honest_models,
    "right": right,
    "exact": exact_or_not,
    "wrong": wrong,
    "attacked": attacked,
}
RIGHT = ("rounded", "honest", "right", "exact")
"""The groups of models that are right in folders that say so; all others must not be proven."""
SPELLING = "a code is spelled otherwise than is said: the kernel tabulates, and does not read it"
REFUTED_BY_SPELLING_ALONE = {
    "a block with {'words': 2}",
    "a block with {'last': [0, 2]}",
    "a block with {'columns': [3, 5]}",
    "a block with {'book': 1}",
    "a block that stands twice",
    "a block whose last letters are none",
    "a block of no and one of one letter in one column",
    "a pass that keeps the node before",  # which is nothing: a function of any node
    *(f"the numbers {numbers} of *unknown*" for numbers in ([None, None], [], [2**50])),
    *(f"selector with the last letters {last}" for last in ([0, 3],)),
    *(f"key_value with the last letters {last}" for last in ([0, 1], [1, 2], [0, 3])),
    *(f"precomputed with the last letters {last}" for last in ([0, 1], [1, 2], [0, 3])),
    *(f"selector with the columns {columns}" for columns in ([1, 4], [0, 3], [0, 5])),
    *(f"key_value with the columns {columns}" for columns in ([0, 4],)),
    *(f"precomputed with the columns {columns}" for columns in ([1, 8], [0, 7], [0, 10])),
}
"""Certificates of right models that the symbolic checker refutes and the kernel takes: only how
codes are spelled is false, and the kernel does not read it. Both together refute them.
"""
PROVEN_BY_THE_KERNEL_ALONE = {
    "sparse_selector": "columns in a code that is not spelled out, and stored queries alone",
    "sparse_selector_unknown": "columns in a code that is not spelled out",
    "a block of columns alone": "columns in a code that is not spelled out are the kernel's",
    "a block of columns alone beside it": "columns in a code that is not spelled out",
    "a pass that keeps columns alone": "columns in a code that is not spelled out",
    "a block with {'form': 'number'}": "a bit is a number as well, for which there are other rules",
    "a pass that keeps the word once more": "it does, at each node, but for no rule about bits",
    "a word that is never read": "the word is spelled, and no step needs it",
    "selector with the last letters [0, 1]": "that letter's code is as long as both are",
    "selector with the last letters [1, 2]": "that letter's code is as long as both are",
    "a number just beyond the largest": "it is below 2^52",
    "a leak that moves scores by 1.31": "the kernel's bound on that is smaller",
    "a unit takes away the only answer": "what answers is a constant",
    "a unit fires for the first node": "amounts that depend on the node may be decoded",
    "a bit beside a number": "a number is a column like others",
    "a layer more than runs": "letters stay at hand where a pass keeps nothing",
    "the numbers [0] of *unknown*": "no fact is missing: nothing is known of a code for it",
    "the numbers [1] of *unknown*": "no fact is missing: nothing is known of a code for it",
    "a block with {'columns': [4, 5]}": "what is not claimed may differ all the same",
    "key_value with the columns [1, 2]": "what is not claimed may differ all the same",
    "key_value with the columns [0, 1]": "what is not claimed may differ all the same",
}
"""What the symbolic checker does not decide, or asks more for than the claims (`Unmet`), and the
kernel proves; and why. Both together prove it.
"""
TRUE_ALL_THE_SAME = {
    "a pass that keeps what it wrote": "another certificate of the same model, and a true one",
}
UNKNOWN_TO_THE_KERNEL = {
    "a constant next to the largest": "integers of the kernel are below 2^52",
    "the largest constant": "integers of the kernel are below 2^52",
}


def expected(group, name, by):
    """Whether a folder of the battery is to be proven by `kernel`, `symbolic` or `both`."""
    if name in TRUE_ALL_THE_SAME:
        return True
    if by == "kernel" and (name in REFUTED_BY_SPELLING_ALONE or name in UNKNOWN_TO_THE_KERNEL):
        return name in REFUTED_BY_SPELLING_ALONE
    if name in PROVEN_BY_THE_KERNEL_ALONE:
        return by != "symbolic"
    return group in RIGHT
