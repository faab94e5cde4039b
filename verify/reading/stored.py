"""Reading the files of a model folder, and refusing what is not as it should be: exactly, with
nothing but the standard library and numpy.

The kernel reads them by code of its own (`verify.kernel.folder`), which asks for less.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from verify.kernel.verdict import Refuted, require, whole
from verify.reading.maps import let_go
from verify.reading.wording import MOST_SHOWN, shown

FORMAT = 4
DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8"}
MOST_LAYERS = 4096
MOST_BYTES_OF_JSON = 100_000_000
MOST_AXES = 64  # numpy has no more
READ_AT_ONCE = 2**20  # letters of a file of facts, and the rest of their line

NO_LETTERS = [*map(chr, range(32)), *map(chr, range(127, 160)), "\u2028", "\u2029", "\ufeff"]
"""What no name of docs/fact-files.md holds: control characters, line ends, byte order marks."""


def read_json(raw: Any, name: str) -> Any:
    """The JSON of a file: integers alone for numbers, no key twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        require(len(dict(pairs)) == len(pairs), f"{name}: a key stands twice in one object")
        return dict(pairs)

    def refuse(text: str) -> Any:
        raise Refuted(f"{name}: {text[:MOST_SHOWN]} is no integer")

    def integer(text: str) -> int:
        return int(text) if text != "-0" else refuse(text)

    try:
        return json.loads(
            bytes(raw).decode(),
            object_pairs_hook=unique,
            parse_float=refuse,
            parse_int=integer,
            parse_constant=refuse,
        )
    except (ValueError, RecursionError) as error:
        raise Refuted(f"{name}: no JSON: {error}") from None


def read_tensors(raw: Any, name: str) -> dict[str, tuple[str, np.ndarray]]:
    """The tensors of a safetensors file, name to (dtype, array); they tile the file."""
    data = np.frombuffer(raw, np.uint8)
    length = int.from_bytes(data[:8].tobytes(), "little")
    require(
        len(data) >= 8 and 8 + length <= len(data), f"{name}: its header is longer than the file"
    )
    require(
        length <= MOST_BYTES_OF_JSON,
        f"{name}: its header is longer than {MOST_BYTES_OF_JSON} bytes",
    )
    text, at, found = data[8 : 8 + length], 8 + length, {}
    require(text[:1].tobytes() == b"{", f"{name}: its header does not begin with {{")
    header = read_json(text, name)
    require(
        "__metadata__" not in header,
        f"{name}: another tool has written it, with __metadata__; load these weights into the"
        " model, and save that",
    )
    for key, entry in header.items():
        parts = type(entry) is dict and set(entry) == {"dtype", "shape", "data_offsets"}
        require(parts, f"{name}: {shown(key)} is not an object of dtype, shape and data_offsets")
        dtype, offsets = entry["dtype"], entry["data_offsets"]
        require(
            type(dtype) is str and dtype in STORED,
            f"{name}: {shown(key)} has the dtype {shown(dtype)}",
        )
        axes = type(entry["shape"]) is list and len(entry["shape"]) <= MOST_AXES
        require(axes, f"{name}: {shown(key)} has the shape {shown(entry['shape'])}")
        pair = type(offsets) is list and len(offsets) == 2
        require(pair, f"{name}: {shown(key)} has the data_offsets {shown(offsets)}")
        for n in (*entry["shape"], *offsets):
            whole(n, 0, f"{name}: a size of {shown(key)}")
    for key, entry in sorted(header.items(), key=lambda item: tuple(item[1]["data_offsets"])):
        kind, size = np.dtype(STORED[entry["dtype"]]), math.prod(entry["shape"])
        start, stop = entry["data_offsets"]
        placed = 8 + length + start == at and stop - start == size * kind.itemsize
        require(
            placed and at + size * kind.itemsize <= len(data),
            f"{name}: {shown(key)} does not lie where it should",
        )
        # numpy asks this also of a tensor that holds nothing
        widest = kind.itemsize * math.prod(max(n, 1) for n in entry["shape"])
        require(widest < 2**63, f"{name}: {shown(key)} has axes that are too long")
        found[key] = (
            entry["dtype"],
            data[at : at + size * kind.itemsize].view(kind).reshape(entry["shape"]),
        )
        at += size * kind.itemsize
    require(at == len(data), f"{name}: the file has {len(data)} bytes, its tensors end at {at}")
    return found


def integers(stored: np.ndarray, what: str) -> np.ndarray:
    """The integers that floating-point numbers are: int64 of float64, else int32.

    Each must give the same bits when it is converted back, so that nothing is rounded and nothing
    compared but bits. NaN, infinities and what is too large convert to the smallest or the largest
    integer of all, and are refused with them.
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
        # but minus zero is 0
        require((same | (given << 1 == 0)).all(), f"{what} holds a number that is no integer")
    return found


def read_text(raw: Any, name: str) -> str:
    """The text of a file, if it is UTF-8."""
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise Refuted(f"{name}: {error}") from None


def read_vocabulary(raw: Any, n: int, n_relations: int, specials: list[str]) -> list[str]:
    """The names of all tokens, by id; entities have distinct names, and relations.

    A name is the `name` of docs/fact-files.md; canonically equivalent names (Unicode) are one.
    """
    text = read_text(raw, "vocabulary.txt")
    names = text.split("\n")
    require(names.pop() == "", "vocabulary.txt: the last line does not end")
    trimmed = all(name and name == name.strip() for name in names)
    require(trimmed, "vocabulary.txt: a name is empty, or begins or ends with a space")
    found = [letter for letter in NO_LETTERS if letter != "\n" and letter in text]
    require(not found, f"vocabulary.txt: a name has a control character: {found!a}")
    require(
        names[n + n_relations :] == specials,
        f"vocabulary.txt: {len(names)} lines, or other special tokens",
    )
    for kind in (names[:n], names[n : n + n_relations]):
        normal = kind if text.isascii() else [unicodedata.normalize("NFC", name) for name in kind]
        require(len(set(normal)) == len(kind), "vocabulary.txt: a name stands twice")
    return names


def read_facts(files: Mapping[str, Any], names: list[str], n: int, n_relations: int) -> np.ndarray:
    """The fact table, int64 (R, N + 1): answers, N for a missing one; column N is *unknown*, which
    stays.

    `facts.tsv` has one form for each table: a line for each fact, sorted by the ids of subject and
    relation.
    """
    table = np.full((n_relations, n + 1), n)
    if "facts.safetensors" in files:
        tensors = read_tensors(files["facts.safetensors"], "facts.safetensors")
        alone = f"facts.safetensors holds {sorted(tensors)}, not the tensor facts alone"
        require(set(tensors) == {"facts"}, alone)
        dtype, facts = tensors["facts"]
        require(
            dtype == "I32" and facts.shape == (n_relations, n),
            "facts.safetensors: the facts are not I32 (R, N)",
        )
        require(facts.min() >= -1 and facts.max() < n, "facts.safetensors: an answer is no entity")
        table[:, :n] = facts
        let_go(facts)
        table[table < 0] = n
        return table
    subjects, relations, answers = _read_lines(files, names, n, n_relations)
    table[relations, subjects] = answers
    places = subjects * n_relations + relations
    order = "facts.tsv: a fact stands twice, or not in the order of the ids"
    require((places[1:] > places[:-1]).all(), order)
    return table


def read_sets(files: Mapping[str, Any], names: list[str], n: int, n_relations: int) -> np.ndarray:
    """The facts of a table of sets, int64 (facts, 3): subject, relation and object of each, once,
    in this order; at least one.
    """
    name = "facts.safetensors" if "facts.safetensors" in files else "facts.tsv"
    if name == "facts.safetensors":
        tensors = read_tensors(files[name], name)
        require(set(tensors) == {"facts"}, f"{name} holds {sorted(tensors)}, not facts alone")
        dtype, stored = tensors["facts"]
        fits = dtype == "I32" and stored.ndim == 2 and stored.shape[1] == 3 and len(stored) > 0
        require(fits, f"{name}: the facts are not I32 (facts, 3)")
        facts = stored.astype(np.int64)
    else:
        facts = np.stack(_read_lines(files, names, n, n_relations), axis=1)
    inside = (facts >= 0).all() and (facts < [n, n_relations, n]).all()
    require(inside and len(facts) > 0, f"{name}: a fact is of no entity, or of no relation")
    subjects, relations, answers = facts.T
    places = (subjects * n_relations + relations) * n + answers
    order = f"{name}: a fact stands twice, or not in the order of the ids"
    require((places[1:] > places[:-1]).all(), order)
    return facts


def _read_lines(
    files: Mapping[str, Any], names: list[str], n: int, n_relations: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The facts of `facts.tsv` by number: subjects, relations and objects, (facts,) each."""
    text = read_text(files["facts.tsv"], "facts.tsv")
    entity_ids = {name: i for i, name in enumerate(names[:n])}
    relation_ids = {name: i for i, name in enumerate(names[n : n + n_relations])}
    found: list[np.ndarray] = []
    start = 0
    while not found or start < len(text):
        stop = text.find("\n", start + READ_AT_ONCE) + 1 or len(text)
        found.append(_read_some_lines(text[start:stop], entity_ids, relation_ids))
        start = stop
    subjects, relations, answers = np.concatenate(found, axis=1)
    return subjects, relations, answers


def _read_some_lines(
    text: str, entity_ids: dict[str, int], relation_ids: dict[str, int]
) -> np.ndarray:
    """The facts of some whole lines of `facts.tsv`, int64 (3, facts)."""
    cells = text[:-1].replace("\n", "\t").split("\t")
    subjects, relations, answers = cells[0::3], cells[1::3], cells[2::3]
    rebuilt = "".join(map("{}\t{}\t{}\n".format, subjects, relations, answers))
    require(text == rebuilt, "facts.tsv: a line is not subject<TAB>relation<TAB>object")
    comment = next((name for name in subjects if name.startswith("#")), None)
    require(comment is None, f"facts.tsv: the line of {comment!r} is a comment to other readers")
    try:
        return np.array(
            [
                [entity_ids[name] for name in subjects],
                [relation_ids[name] for name in relations],
                [entity_ids[name] for name in answers],
            ]
        )
    except KeyError as error:
        raise Refuted(f"facts.tsv: {error} is no name of vocabulary.txt") from None
