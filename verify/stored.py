"""Reading the files of a model folder, for the checker: exactly, with nothing but the standard library and numpy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

FORMAT = 1
MOST_LAYERS = 4096
STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8"}
FILES = {
    "weights.safetensors",
    "vocabulary.txt",
    "certificate.json",
    "facts.tsv",
    "facts.safetensors",
    "codebooks.safetensors",
}


class Refuted(Exception):
    """A claim is false, or the folder is not what its manifest says."""


class Undecided(Exception):
    """The rules do not reach a verdict."""


def require(holds: object, otherwise: str) -> None:
    """Raise Refuted unless it holds."""
    if not bool(holds):
        raise Refuted(otherwise)


def whole(value: Any, least: int, what: str) -> int:
    """The value, if it is an integer of at least `least`."""
    require(type(value) is int and value >= least, f"{what} is {value!r}, not an integer of at least {least}")
    return int(value)


def read_json(raw: Any, name: str) -> Any:
    """The JSON of a file: integers alone for numbers, no key twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        require(len(dict(pairs)) == len(pairs), f"{name}: a key stands twice in one object")
        return dict(pairs)

    def refuse(text: str) -> Any:
        raise Refuted(f"{name}: {text} is no integer")

    try:
        return json.loads(bytes(raw).decode(), object_pairs_hook=unique, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refuted(f"{name}: no JSON: {error}") from None


def manifest_text(manifest: dict[str, Any]) -> bytes:
    """The one way in which a manifest is written."""
    return (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()


def read_manifest(files: Mapping[str, Any]) -> Any:
    """The manifest, if it is whole and lists all files of the folder."""
    require("manifest.json" in files, "manifest.json is missing: this is no model folder")
    manifest = read_json(files["manifest.json"], "manifest.json")
    require(manifest["format"] == FORMAT, f"manifest.json: format {manifest['format']}, expected {FORMAT}")
    layers = len(manifest["architecture"]["layers"])
    if layers > MOST_LAYERS:
        raise Undecided(f"manifest.json has {layers} layers, and up to {MOST_LAYERS} are read")
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    digest = hashlib.sha256(manifest_text(body)).hexdigest()
    require(manifest_text(body | {"sha256": digest}) == bytes(files["manifest.json"]), "manifest.json has changed")
    named, there = set(manifest["files"]), set(files) - {"manifest.json"}
    require(named == there, f"manifest.json lists {sorted(named)}, the folder holds {sorted(there)}")
    require(named <= FILES, f"the folder holds {sorted(named - FILES)}, which no model has")
    require(not {"facts.tsv", "facts.safetensors"} <= named, "the folder holds two tables of facts")
    return manifest


def require_digests(files: Mapping[str, Any], manifest: Any) -> None:
    """Every file has the SHA-256 that the manifest lists."""
    for name, entry in manifest["files"].items():
        found = hashlib.sha256(files[name]).hexdigest()
        require(found == entry["sha256"], f"{name}: its SHA-256 is {found}, manifest.json has {entry['sha256']}")


def read_tensors(raw: Any, name: str) -> dict[str, tuple[str, np.ndarray]]:
    """The tensors of a safetensors file, name to (dtype, array); they tile the file."""
    data = np.frombuffer(raw, np.uint8)
    length = int.from_bytes(data[:8].tobytes(), "little")
    require(8 + length <= len(data), f"{name}: its header is longer than the file")
    header, at, found = read_json(data[8 : 8 + length], name), 8 + length, {}
    for key, entry in sorted(header.items(), key=lambda item: tuple(item[1]["data_offsets"])):
        kind, size = np.dtype(STORED[entry["dtype"]]), 1
        for n in entry["shape"]:
            size *= whole(n, 0, f"{name}: a size of {key}")
        start, stop = entry["data_offsets"]
        placed = 8 + length + start == at and stop - start == size * kind.itemsize
        require(placed and at + size * kind.itemsize <= len(data), f"{name}: {key} does not lie where it should")
        found[key] = entry["dtype"], data[at : at + size * kind.itemsize].view(kind).reshape(entry["shape"])
        at += size * kind.itemsize
    require(at == len(data), f"{name}: the file has {len(data)} bytes, its tensors end at {at}")
    return found


def integers(stored: np.ndarray, what: str) -> np.ndarray:
    """The integers that floating-point numbers are: int64 of float64, else int32.

    Each must give the same bits when it is converted back, so that nothing is rounded and nothing compared but bits.
    NaN, infinities and what is too large convert to the smallest or the largest integer of all, and are refused with them.
    """
    if stored.dtype.kind == "u":  # bfloat16 is the upper half of a float32
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    wide = stored.dtype.itemsize == 8
    with np.errstate(invalid="ignore"):
        found = stored.astype(np.int64 if wide else np.int32)
    largest = 2**53 if wide else 2**30
    small = int(found.min(initial=0)) >= -largest and int(found.max(initial=0)) <= largest
    require(small, f"{what} holds a number that is no integer of at most {largest}")
    bits = np.dtype(f"u{stored.dtype.itemsize}")
    given = np.ascontiguousarray(stored).view(bits)
    same = found.astype(stored.dtype).view(bits) == given
    if not same.all():
        require((same | (given << 1 == 0)).all(), f"{what} holds a number that is no integer")  # but minus zero is 0
    return found


def stored_as(numbers: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Integers in the form in which `like` holds numbers; exactly, or refused."""
    if like.dtype.kind == "u":
        found = (numbers.astype(np.float32).view(np.uint32) >> 16).astype(like.dtype)
    else:
        with np.errstate(over="ignore"):
            found = numbers.astype(like.dtype)
    require((integers(found, "a code") == numbers).all(), f"a code holds a number that {like.dtype} does not")
    return found


def differing(held: np.ndarray, wanted: np.ndarray, what: str) -> np.ndarray:
    """The first place (at most one, as rows of indices) where numbers are not the wanted integers, both as stored."""
    bits = f"u{held.itemsize}"
    if (held.view(bits) == wanted.view(bits)).all():
        return np.zeros((0, held.ndim), int)
    return np.argwhere(integers(held, what) != integers(wanted, what))[:1]  # minus zero is zero


def read_vocabulary(raw: Any, n: int, n_relations: int, specials: list[str]) -> list[str]:
    """The names of all tokens, by id; entities have distinct names, and relations."""
    names = bytes(raw).decode().split("\n")
    require(names.pop() == "", "vocabulary.txt: the last line does not end")
    require(names[n + n_relations :] == specials, f"vocabulary.txt: {len(names)} lines, or other special tokens")
    distinct = len(set(names[:n])) == n and len(set(names[n : n + n_relations])) == n_relations
    require(distinct, "vocabulary.txt: a name stands twice")
    return names


def read_facts(files: Mapping[str, Any], names: list[str], n: int, n_relations: int) -> np.ndarray:
    """The fact table, int64 (R, N + 1): answers, N for a missing one; column N is *unknown*, which stays."""
    table = np.full((n_relations, n + 1), n)
    if "facts.safetensors" in files:
        dtype, facts = read_tensors(files["facts.safetensors"], "facts.safetensors")["facts"]
        require(dtype == "I32" and facts.shape == (n_relations, n), "facts.safetensors: the facts are not I32 (R, N)")
        require(facts.min() >= -1 and facts.max() < n, "facts.safetensors: an answer is no entity")
        table[:, :n] = facts
        table[table < 0] = n
        return table
    text = bytes(files["facts.tsv"]).decode()
    cells = text[:-1].replace("\n", "\t").split("\t")
    subjects, relations, answers = cells[0::3], cells[1::3], cells[2::3]
    rebuilt = "".join(map("{}\t{}\t{}\n".format, subjects, relations, answers))
    require(text == rebuilt, "facts.tsv: a line is not subject<TAB>relation<TAB>object")
    entity_ids = {name: i for i, name in enumerate(names[:n])}
    relation_ids = {name: i for i, name in enumerate(names[n : n + n_relations])}
    try:
        at = np.array([relation_ids[name] for name in relations]), np.array([entity_ids[name] for name in subjects])
        table[at] = [entity_ids[name] for name in answers]
    except KeyError as error:
        raise Refuted(f"facts.tsv: {error} is no name of vocabulary.txt") from None
    require(len(np.unique(at[0] * n + at[1])) == len(subjects), "facts.tsv: a fact stands twice")
    return table
