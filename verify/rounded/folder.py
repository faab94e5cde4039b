"""The folder of a rounded trained model, read without trust: docs/trained-proofs.md says what it
is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from verify.kernel.verdict import Undecided, require, whole
from verify.reading.stored import (
    MOST_BYTES_OF_JSON,
    read_facts,
    read_json,
    read_tensors,
    read_vocabulary,
)
from verify.reading.wording import shown

KIND = "rounded trained model"
VERSION = 1
CLAIM = "every stored fact is answered right, strictly, in exact arithmetic"
SIZES = ("entities", "relations", "answers", "d_model", "d_mlp", "hidden_layers")
ALWAYS = {"weights.safetensors", "vocabulary.txt", "certificate.json"}
TABLES = {"facts.tsv", "facts.safetensors"}
MOST_BITS = 53
MOST_FACTS = 2**28
MOST_LAYERS = 64


class Folder(NamedTuple):
    """What a folder holds.

    Attributes:
        facts: int64 (R, N), the answers; -1 where none is stored.
        names: of the entities, and then of the relations.
        tensors: by name the integers, float64, and the exponent of the step.
        n_answers: A: the logits are those of the entities 0 to A - 1.
        d: the dimension of the embeddings.
        depth: how many matrices the MLP has.
        tied: whether the embeddings of answers are those of the first entities.
    """

    facts: np.ndarray
    names: list[str]
    tensors: dict[str, tuple[np.ndarray, int]]
    n_answers: int
    d: int
    depth: int
    tied: bool

    def name(self, entity: int) -> str:
        """The name of an entity."""
        return str(self.names[entity])

    def relation(self, relation: int) -> str:
        """The name of a relation."""
        return str(self.names[self.facts.shape[1] + relation])


def is_one(files: Mapping[str, Any]) -> bool:
    """Whether a manifest says that this is the folder of a rounded trained model."""
    raw = files.get("manifest.json", b"")
    if not 0 < len(raw) <= MOST_BYTES_OF_JSON:
        return False
    try:
        manifest = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        return False
    return type(manifest) is dict and manifest.get("kind") == KIND


def read(files: Mapping[str, Any]) -> Folder:
    """All of a folder. Raises Refuted where it is not as `save_rounded` writes it."""
    manifest = _manifest(files)
    sizes, tied = manifest["sizes"], manifest["tied"]
    n, r, a, d, width, hidden = (whole(sizes[name], 1, name) for name in SIZES)
    require(a <= n, f"{a} answers of {n} entities")
    names: list[str] = read_vocabulary(files["vocabulary.txt"], n, r, [])
    require(len(names) == n + r, f"vocabulary.txt: {len(names)} names, not {n} and {r}")
    require(r * (n + 1) <= MOST_FACTS, f"a table of {r} x {n} facts is not held", Undecided)
    require(hidden <= MOST_LAYERS, f"{hidden} hidden layers")
    facts = read_facts(files, names, n, r)[:, :n]
    facts = np.where(facts == n, -1, facts)
    require(facts.max() < a, "an answer has no logit")
    shapes: dict[str, tuple[int, ...]] = {"entities": (n, d), "relations": (r, d)}
    shapes |= {} if tied else {"answers": (a, d)}
    for i, (into, out) in enumerate(pairwise([d, *[width] * hidden, d])):
        shapes |= {f"weights.{i}": (out, into), f"biases.{i}": (out,)}
    stored = read_tensors(files["weights.safetensors"], "weights.safetensors")
    found = {name: (dtype, tensor.shape) for name, (dtype, tensor) in stored.items()}
    wanted = {name: ("F32", shape) for name, shape in shapes.items()}
    for name in sorted(found.keys() | wanted.keys()):
        is_, should = _in_words(found.get(name)), _in_words(wanted.get(name))
        require(is_ == should, f"weights.safetensors holds {shown(name)}: {is_}, not {should}")
    certificate = read_json(files["certificate.json"], "certificate.json")
    keys = type(certificate) is dict and set(certificate) == {"claim", "facts", "grid"}
    require(keys, "certificate.json: claim, facts and grid are expected")
    require(certificate["claim"] == CLAIM, "certificate.json claims something else")
    count = whole(certificate["facts"], 1, "certificate.json, facts")
    there = int((facts >= 0).sum())
    require(count == there, f"certificate.json claims {count} facts, {there} are stored")
    grid = certificate["grid"]
    require(type(grid) is dict and set(grid) == set(shapes), "certificate.json: grid")
    tensors = {name: _integers(stored[name][1], grid[name], name) for name in shapes}
    return Folder(facts, names, tensors, a, d, hidden + 1, tied)


def _in_words(kind: tuple[str, tuple[int, ...]] | None) -> str:
    """The dtype and the shape of a tensor, or that there is none."""
    return "no such tensor" if kind is None else f"{kind[0]} {kind[1]}"


def _manifest(files: Mapping[str, Any]) -> Any:
    """The manifest, if it has the one text that it may have, and all files are as it says."""
    require("manifest.json" in files, "manifest.json is missing")
    raw = bytes(files["manifest.json"])
    manifest = read_json(raw, "manifest.json")
    keys = {"kind", "version", "sizes", "tied", "files", "sha256"}
    require(type(manifest) is dict and set(manifest) == keys, f"manifest.json: {sorted(keys)}")
    version = type(manifest["version"]) is int and manifest["version"] == VERSION
    require(manifest["kind"] == KIND and version, "manifest.json is of another kind or version")
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    digest = hashlib.sha256(_text(body)).hexdigest()
    require(_text(body | {"sha256": digest}) == raw, "manifest.json has changed")
    sizes = type(manifest["sizes"]) is dict and set(manifest["sizes"]) == set(SIZES)
    require(sizes and type(manifest["tied"]) is bool, "manifest.json: sizes, tied")
    listed = manifest["files"]
    there = set(files) - {"manifest.json"}
    require(type(listed) is dict and set(listed) == there, "manifest.json lists other files")
    named = there >= ALWAYS and len(there & TABLES) == 1 and there <= ALWAYS | TABLES
    require(named, f"the folder holds {sorted(there)}")
    for name, entry in listed.items():
        found = {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
        require(entry == found, f"{name}: the manifest says another size, or another SHA-256")
    return manifest


def _text(manifest: dict[str, Any]) -> bytes:
    """The one way in which a manifest is written."""
    return (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()


def _integers(stored: np.ndarray, grid: Any, name: str) -> tuple[np.ndarray, int]:
    """A tensor as integers and the exponent of its step: which is the largest step that all
    entries are multiples of, and 0 if all are 0; with the bits that its integers have.
    """
    keys = type(grid) is dict and set(grid) == {"step", "bits"}
    require(keys and type(grid["step"]) is int, f"certificate.json, {name}: step and bits")
    step, bits = grid["step"], whole(grid["bits"], 1, f"certificate.json, {name}, bits")
    require(-149 <= step <= 127, f"certificate.json, {name}: no float32 has the step 2^{step}")
    require(np.isfinite(stored).all(), f"{name} holds a number that is not finite")
    negative = np.signbit(stored) & (stored == 0)
    require(not negative.any(), f"{name} holds a negative zero")
    found = np.ldexp(stored.astype(np.float64), -step)  # exact: float64 holds float32 and these
    require((np.rint(found) == found).all(), f"{name} is not on a grid of step 2^{step}")
    largest = np.abs(found).max(initial=0)
    require(largest < 2.0 ** (MOST_BITS - 1), f"{name}: an integer is not below 2^52")
    fits = bits == 1 + int(largest).bit_length()
    odd = (found.astype(np.int64) % 2).any()
    require(fits and (odd or (largest == 0 and step == 0)), f"{name}: other steps, or other bits")
    return found, step
