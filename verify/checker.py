"""The small trusted checker: proves from a saved folder alone that its model answers every query right.

It shares no code with the builders: the standard library, numpy, and its own readers. Every number is an integer (or an
exact fraction of integers); no floating-point number is computed or compared. What is proven, from what, and why the steps
below imply all answers: docs/certificates.md. In short, for the position that answers:

* the embedding of every entity spells, in named columns, codes of nodes of the fact graph (one pass over the table);
* every head puts nearly all its weight on one known position, with an integer gap of scores, or on all alike;
* between two claims a column holds `c0 + sum c_v v + sum_e h_e [node = e]`: integers times unknown bits v of those codes,
  and amounts that depend on the node alone. All cases of the letters at hand are run side by side. A unit that depends on
  one bit is known from its two values, one that fires for one code only from its two largest values, and so on;
* after each MLP the columns that the next step reads spell the codes of the next node;
* the unembedding, read with a symbolic code, puts the right token strictly above all others.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, product
from pathlib import Path
from typing import Any, Literal

import numpy as np

FORMAT = 1
NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
EXACT = {"F64": 53, "F32": 24, "F16": 11, "BF16": 8}  # integers up to 2^this are exact, so are sums that stay below
FINITE = {"F64": 1000, "F32": 120, "F16": 14, "BF16": 120}  # numbers below 2^this do not overflow
STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8"}
ONE_HOT_GAP = 800  # e^-800 underflows to 0 in every dtype
MOST_BITS = 62
MOST_KINDS = 64  # ways in which rows of the unembedding may differ beside their codes
AT_ONCE = 2**18  # entries of a table that are looked at together


class Refuted(Exception):
    """A claim is false, or the folder is not what its manifest says."""


class Undecided(Exception):
    """The rules below do not reach a verdict."""


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        verdict: PASS, FAIL (`reason` names the first refuted claim) or UNKNOWN (`reason` says what is not understood).
        reason: why it is not PASS.
        queries: how many queries are proven right.
        margin: the least logit of an answer minus the next one, where softmax selects without a leak.
        real_margin: the same in real arithmetic, leaks included.
        exact: the dtype in which the module computes without any rounding; None if that is not shown.
        claims: how many claims the certificate holds.
    """

    verdict: Literal["PASS", "FAIL", "UNKNOWN"]
    reason: str = ""
    queries: int = 0
    margin: Fraction = Fraction(0)
    real_margin: Fraction = Fraction(0)
    exact: str | None = None
    claims: int = 0


def check(folder: str | os.PathLike[str]) -> Verdict:
    """Check a model folder. Files are mapped, not loaded; what is no model folder is a FAIL."""
    try:
        paths = {entry.name: entry for entry in sorted(Path(folder).iterdir())}
        files = {name: np.memmap(p, np.uint8, "r") if p.stat().st_size else b"" for name, p in paths.items()}
    except OSError as error:
        return Verdict("FAIL", f"{folder}: cannot be read: {error.strerror}")
    return check_files(files)


def check_files(files: Mapping[str, Any]) -> Verdict:
    """Check the files of a folder, given by name as bytes-like objects."""
    try:
        return _Proof(files).verdict()
    except Refuted as error:
        return Verdict("FAIL", str(error))
    except Undecided as error:
        return Verdict("UNKNOWN", str(error))
    except Exception as error:  # whatever is not foreseen is not proven
        return Verdict("UNKNOWN", f"the checker stopped: {type(error).__name__}: {error}")


def _require(holds: object, otherwise: str) -> None:
    if not bool(holds):
        raise Refuted(otherwise)


# -------------------------------------------------------------------- files


def _json(raw: Any, name: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _require(len(dict(pairs)) == len(pairs), f"{name}: a key stands twice in one object")
        return dict(pairs)

    def refuse(text: str) -> Any:
        raise Refuted(f"{name}: {text} is no integer")

    try:
        return json.loads(bytes(raw).decode(), object_pairs_hook=unique, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refuted(f"{name}: no JSON: {error}") from None


def _tensors(raw: Any, name: str) -> dict[str, tuple[str, np.ndarray]]:
    """The tensors of a safetensors file: name to (dtype, array); they must tile the file."""
    data = np.frombuffer(raw, np.uint8)
    length = int.from_bytes(data[:8].tobytes(), "little")
    _require(8 + length <= len(data), f"{name}: the header is longer than the file")
    header, at, found = _json(data[8 : 8 + length], name), 8 + length, {}
    for key, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        kind = np.dtype(STORED[dtype])
        size = kind.itemsize * int(np.prod(np.array(shape, dtype=object)))
        _require(all(isinstance(n, int) and n >= 0 for n in shape), f"{name}: {key} has the shape {shape}")
        _require(8 + length + start == at and stop - start == size, f"{name}: {key} does not lie where it should")
        found[key] = dtype, data[at : at + size].view(kind).reshape(shape)
        at += size
    _require(at == len(data), f"{name}: {len(data)} bytes, of which the tensors take {at}")
    return found


def _integers(stored: np.ndarray, what: str) -> np.ndarray:
    """The integers that the floating-point numbers are, exactly: they must give the same bits when converted back."""
    if stored.dtype.kind == "u":  # bfloat16: the upper half of a float32
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):
        whole = stored.astype(np.int64 if stored.dtype.itemsize == 8 else np.int32)
    bits = np.dtype(f"u{stored.dtype.itemsize}")
    given = np.ascontiguousarray(stored).view(bits)
    same = whole.astype(stored.dtype).view(bits) == given
    if not same.all():
        _require((same | (given << 1 == 0)).all(), f"{what} holds a number that is no integer")  # or minus zero, which is 0
    return whole


def _facts(files: Mapping[str, Any], names: list[str], n: int, n_relations: int) -> np.ndarray:
    """The fact table, int64 (R, N + 1): answers, N for a missing one; column N is *unknown*, which stays."""
    table = np.full((n_relations, n + 1), n)
    if "facts.safetensors" in files:
        dtype, facts = _tensors(files["facts.safetensors"], "facts.safetensors")["facts"]
        _require(dtype == "I32" and facts.shape == (n_relations, n), "facts.safetensors: the facts are not I32 (R, N)")
        _require(((facts >= -1) & (facts < n)).all(), "facts.safetensors: an answer is no entity")
        table[:, :n] = np.where(facts < 0, n, facts)
        return table
    text = bytes(files["facts.tsv"]).decode()
    cells = text[:-1].replace("\n", "\t").split("\t")
    whole = "".join(map("{}\t{}\t{}\n".format, cells[0::3], cells[1::3], cells[2::3]))
    _require(text == whole, "facts.tsv: a line is not subject<TAB>relation<TAB>object")
    entities = {name: i for i, name in enumerate(names[:n])}
    relations = {name: i for i, name in enumerate(names[n : n + n_relations])}
    try:
        subject = np.array([entities[name] for name in cells[0::3]])
        relation = np.array([relations[name] for name in cells[1::3]])
        answer = np.array([entities[name] for name in cells[2::3]])
    except KeyError as error:
        raise Refuted(f"facts.tsv: {error} is in no line of vocabulary.txt") from None
    place = relation * n + subject
    _require(len(np.unique(place)) == len(place), "facts.tsv: a fact stands twice")
    table[relation, subject] = answer
    return table


# -------------------------------------------------------------------- integer matrices, symbolic values


class _Matrix:
    """A weight matrix (out, in) in integers, with its nonzero entries column by column."""

    def __init__(self, dense: np.ndarray):
        self.dense = dense.astype(np.int64)
        columns, self.rows = np.nonzero(self.dense.T)
        self.values = self.dense[self.rows, columns]
        self.starts = np.searchsorted(columns, np.arange(dense.shape[1] + 1))
        self.norm = int(np.abs(self.dense).sum(axis=1).max(initial=0))
        self.reads, self.writes = self.dense.any(axis=0), self.dense.any(axis=1)
        self.largest = int(np.abs(self.values).max(initial=0))
        if self.largest.bit_length() > 30:
            raise Undecided(f"a weight of size {self.largest} is too large for this checker")

    def entries(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All nonzero entries of the given columns: (which of them, row, value)."""
        count = self.starts[columns + 1] - self.starts[columns]
        which = np.repeat(np.arange(len(columns)), count)
        at = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + self.starts[columns][which]
        return which, self.rows[at], self.values[at]

    def sums(self, sizes: np.ndarray) -> np.ndarray:
        """A bound on every partial sum, for each row, of a product with a vector of at most these absolute values."""
        if self.largest * int(sizes.max(initial=0)) * max(len(sizes), 1) >= 2**MOST_BITS:
            raise Undecided("numbers are too large for 64-bit integers")
        return np.abs(self.dense) @ sizes


_NONE = np.zeros(0, np.int64)


class _Values:
    """C cases of n coordinates, each `const + sum of coef * unknown`.

    An unknown `key < d` is the bit (or number) in that column of the layout; `key = d + e` is 1 if the node is e, else 0.
    const is int64 (C, n); at, key, coef int64 have one entry for each term, which belongs to coordinate i of case c for
    `at = c n + i`. No two terms have the same coordinate and unknown, none is 0, and they are in that order.
    """

    def __init__(self, const: np.ndarray, *terms: np.ndarray):
        self.const = const
        self.at, self.key, self.coef = terms or (_NONE, _NONE, _NONE)

    def plus(self, const: Any, at: np.ndarray = _NONE, key: np.ndarray = _NONE, coef: np.ndarray = _NONE) -> _Values:
        """These values and more; terms of one unknown in one coordinate are added up."""
        at, key, coef = (np.concatenate(pair) for pair in ((self.at, at), (self.key, key), (self.coef, coef)))
        order = np.lexsort((key, at))
        at, key, coef = at[order], key[order], coef[order]
        first = np.flatnonzero(np.append(True, (np.diff(at) != 0) | (np.diff(key) != 0))[: len(at)])
        coef = np.add.reduceat(coef, first) if len(first) else coef
        return _Values(self.const + const, *(terms[coef != 0] for terms in (at[first], key[first], coef)))

    def repeated(self, n: int) -> _Values:
        """A single case n times."""
        shift = np.repeat(np.arange(n) * self.const.shape[1], len(self.at))
        const = np.repeat(self.const, n, axis=0)
        return _Values(const, np.tile(self.at, n) + shift, np.tile(self.key, n), np.tile(self.coef, n))

    def through(self, matrix: _Matrix) -> _Values:
        """The matrix times these values."""
        n_out, n_in = matrix.dense.shape
        case, coordinate = np.divmod(self.at, n_in)
        which, row, value = matrix.entries(coordinate)
        nothing = _Values(np.zeros((len(self.const), n_out), np.int64))
        return nothing.plus(self.const @ matrix.dense.T, case[which] * n_out + row, self.key[which], self.coef[which] * value)

    def sizes(self, top: np.ndarray) -> np.ndarray:
        """A bound on the absolute value of each coordinate in all cases: (n,)."""
        reach, variable = np.abs(self.const).ravel(), self.key < len(top)
        np.add.at(reach, self.at[variable], np.abs(self.coef[variable]) * top[self.key[variable]])
        largest = np.zeros_like(reach)  # of the nodes, one is at hand
        np.maximum.at(largest, self.at[~variable], np.abs(self.coef[~variable]))
        return (reach + largest).reshape(self.const.shape).max(axis=0)


@dataclass
class _Layout:
    """Which columns spell codes, and of which nodes: those that the words of some blocks lead to from the node at hand.

    Attributes (int64 (d,), -1 where a column spells nothing):
        length, word: of the word, and its place in the lexicographic order of its length.
        bit, book: which bit of the code, in which book.
        off, scale: the column holds `off + scale * bit`.
        top: the largest value of the unknown: 1 for a bit.
    """

    length: np.ndarray
    word: np.ndarray
    bit: np.ndarray
    book: np.ndarray
    off: np.ndarray
    scale: np.ndarray
    top: np.ndarray


@dataclass
class _Sizes:
    """Bounds on absolute values, `sizes * 2^scale`, rounded up so that they stay small integers."""

    sizes: np.ndarray
    scale: int

    def bits(self) -> int:
        return int(self.sizes.max(initial=0)).bit_length() + self.scale

    def scaled(self, scale: int) -> np.ndarray:
        return -(-self.sizes >> max(0, scale - self.scale))

    def through(self, matrix: _Matrix) -> _Sizes:
        over = max(0, int(self.sizes.max(initial=0)).bit_length() - 16)
        return _Sizes(matrix.sums(self.scaled(self.scale + over)), self.scale + over)

    def plus(self, other: _Sizes) -> _Sizes:
        scale = max(self.scale, other.scale)
        return _Sizes(self.scaled(scale) + other.scaled(scale), scale)


def _leak(gap: int, others: int) -> Fraction:
    """A bound on the softmax weight of `others` positions whose scores are lower by `gap` or more: e > 2.718281828."""
    power = Fraction(2718281828, 10**9) ** gap if gap < 100 else Fraction(2 ** (1442 * gap // 1000))
    return Fraction(others) / (others + power)


# -------------------------------------------------------------------- the proof


class _Proof:
    """Reads the claims one after the other and re-proves each."""

    def __init__(self, files: Mapping[str, Any]):
        self.files = files
        manifest = self._manifest()
        sizes, self.layers = manifest["sizes"], manifest["architecture"]["layers"]
        self.depth = manifest["architecture"]["repeats"] * len(self.layers)
        self.n, self.n_relations, self.hops = sizes["entities"], sizes["relations"], sizes["hops"]
        self.dtype_name, self.dtype = manifest["dtype"], NAMES[manifest["dtype"]]
        specials = manifest["specials"]
        self.chain = specials == ["unknown", "pad", "end"]
        _require(self.chain or specials == ["unknown"], f"manifest.json: the special tokens are {specials}")
        self.d, self.n_vocab = sizes["d_model"], self.n + self.n_relations + len(specials)
        self.tensors = _tensors(files["weights.safetensors"], "weights.safetensors")
        self._shapes(sizes["positions"])
        self.names = bytes(files["vocabulary.txt"]).decode().split("\n")
        _require(len(self.names) == self.n_vocab + 1 and not self.names[-1], "vocabulary.txt: not a line for each token")
        self.table = _facts(files, self.names, self.n, self.n_relations)
        self.some_missing = bool((self.table[:, : self.n] == self.n).any())
        self.reached = {0: np.arange(self.n + 1)[None]}
        self.letters = self._rows("embedding", slice(self.n, self.n + self.n_relations))
        self.special_rows = self._rows("embedding", slice(self.n + self.n_relations, None))
        self.positions = self._rows("positions") if sizes["positions"] else np.zeros((2, self.d), np.int64)
        self.weights = [self._layer(i, layer) for i, layer in enumerate(self.layers)]
        claims = _json(files["certificate.json"], "certificate.json")
        text = "[\n" + ",\n".join(json.dumps(claim, sort_keys=True) for claim in claims) + "\n]\n"
        _require(bytes(files["certificate.json"]) == text.encode(), "certificate.json is not in its canonical form")
        self.n_claims, self.claims = len(claims), iter(claims)
        self.peak, self.gap = 0, ONE_HOT_GAP
        self.largest = max(int(np.abs(part).max()) for part in (self.letters, self.special_rows))
        self.margins: list[tuple[Fraction, Fraction]] = []

    # ---------------------------------------------------------------- what the folder holds

    def _manifest(self) -> Any:
        _require("manifest.json" in self.files, "manifest.json is missing: this is no model folder")
        manifest = _json(self.files["manifest.json"], "manifest.json")
        _require(manifest["format"] == FORMAT, f"manifest.json: format {manifest['format']}, expected {FORMAT}")
        named, there = sorted({"manifest.json", *manifest["files"]}), sorted(self.files)
        _require(named == there, f"manifest.json names {named}, the folder holds {there}")
        for name, entry in manifest["files"].items():
            found = hashlib.sha256(self.files[name]).hexdigest()
            _require(found == entry["sha256"], f"{name}: SHA-256 {found}, manifest.json has {entry['sha256']}")
        return manifest

    def _shapes(self, n_positions: int) -> None:
        d = self.d
        expected: dict[str, Any] = {"embedding": (self.n_vocab, d), "unembedding": (self.n_vocab, d)}
        if n_positions:
            expected["positions"] = (n_positions, d)
        for i, layer in enumerate(self.layers):
            if layer["heads"]:
                d_qk, d_v = (sum(widths) for widths in zip(*layer["heads"], strict=True))
                rows = {"query": (d_qk, d), "key": (d_qk, d), "value": (d_v, d), "output": (d, d_v)}
                expected |= {f"layers.{i}.attention.{name}": size for name, size in rows.items()}
            widths = [d, *layer["d_mlp"], d] if layer["d_mlp"] else [d]
            expected |= {f"layers.{i}.mlp.weights.{j}": widths[j : j + 2][::-1] for j in range(len(widths) - 1)}
        expected = {f"{name}.weight": (self.dtype, tuple(size)) for name, size in expected.items()}
        found = {name: (dtype, tensor.shape) for name, (dtype, tensor) in self.tensors.items()}
        _require(found == expected, f"weights.safetensors holds {found}, the architecture is {expected}")

    def _rows(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        return _integers(self.tensors[f"{name}.weight"][1][rows], f"{name}.weight").astype(np.int64)

    def _pieces(self, name: str, stop: int, columns: Any = slice(None)) -> Iterator[tuple[int, np.ndarray]]:
        """The first `stop` rows of a table as integers, some at a time, with the number of the first."""
        some, tensor = max(1, AT_ONCE // self.d), self.tensors[f"{name}.weight"][1]
        for start in range(0, stop, some):
            yield start, _integers(tensor[start : min(stop, start + some), columns], f"{name}.weight")

    def _layer(self, i: int, layer: dict[str, Any]) -> tuple[list[list[_Matrix]], list[_Matrix]]:
        """The heads, (query, key, value, output) each, and the matrices of the MLP."""
        heads, qk, v = [], 0, 0
        names = ("query", "key", "value", "output") if layer["heads"] else ()
        whole = [self._rows(f"layers.{i}.attention.{name}") for name in names]
        for d_qk, d_v in layer["heads"]:
            parts = [*(w[qk : qk + d_qk] for w in whole[:2]), whole[2][v : v + d_v], whole[3][:, v : v + d_v]]
            heads.append([_Matrix(part) for part in parts])
            qk, v = qk + d_qk, v + d_v
        depth = len(layer["d_mlp"]) + 1 if layer["d_mlp"] else 0
        return heads, [_Matrix(self._rows(f"layers.{i}.mlp.weights.{j}")) for j in range(depth)]

    # ---------------------------------------------------------------- claims about facts and codes

    def claim(self, kind: str, **proven: Any) -> Any:
        """The next claim, which must be of this kind and say what is proven."""
        found = next(self.claims, {"claim": "nothing more"})
        _require(found["claim"] == kind, f"the certificate claims {found['claim']} where a claim of {kind} is needed")
        for name, value in proven.items():
            _require(found[name] == value and type(found[name]) is type(value), f"{kind}: {name} is {value}, not {found[name]}")
        return found

    def verdict(self) -> Verdict:
        """Prove everything, or raise."""
        n, r, k, slots = self.n, self.n_relations, self.hops, {}
        task = self.claim("task", format=FORMAT, entities=n, relations=r, hops=k, facts=int((self.table[:, :n] < n).sum()))
        self.per_token = task["hops_per_token"]
        _require(1 <= self.per_token <= k if self.chain else self.per_token == 0, "task: hops_per_token")
        steps = -(-k // self.per_token) if self.chain else 0
        queries = sum(n * r**length for length in range(1 if self.chain else k, k + 1))
        _require(task["queries"] == queries, f"task: there are {queries} queries, claimed are {task['queries']}")
        _require(len(self.positions) == k + 1 + steps, f"positions.weight: {len(self.positions)} rows")
        end = 0
        for name, size in self.claim("slots")["slots"]:
            _require(size > 0 and name not in slots, f"slots: {name} has {size} columns, or stands twice")
            slots[name], end = (end, size), end + size
        _require(end == self.d, f"slots: they have {end} columns, d_model is {self.d}")
        self.slots = slots
        self._codes(self.claim("codes")["books"], self.claim("subject")["blocks"])
        for step in range(1, steps + 2):
            left = k - (step - 1) * self.per_token
            lengths = range(int(step == 1), max(0, min(self.per_token, left)) + 1) if self.chain else [k]
            for length in lengths:
                self._run(step, length)
        exact = self.peak < 2 ** EXACT[self.dtype] and self.gap >= ONE_HOT_GAP and self._finite()
        margin, real = min(m for m, _ in self.margins), min(m for _, m in self.margins)
        self.claim("arithmetic", exact=bool(exact))
        _require(next(self.claims, None) is None, "the certificate holds more claims than are needed")
        return Verdict("PASS", "", queries, margin, real, self.dtype_name if exact else None, self.n_claims)

    def words(self, length: int) -> np.ndarray:
        """Where every word of a length leads, int64 (R^length, N + 1), first letter applied first."""
        if length not in self.reached:
            before = self.words(length - 1)
            self.reached[length] = self.table[:, before].swapaxes(0, 1).reshape(-1, self.n + 1)
        return self.reached[length]

    def columns(self, block: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """The columns of a block, and the words whose nodes it spells, by their place in lexicographic order."""
        start, size = self.slots[block["slot"]]
        n, (low, high), m = block["words"], block["last"], max(self.books[block["book"]]["bits"], 1)
        exist = 0 <= low < high <= self.n_relations if n else (low, high) == (0, self.n_relations)
        _require(n >= 0 and exist, f"{block}: words that do not exist")
        words = np.zeros(1, int)
        if n:
            words = (np.arange(self.n_relations ** (n - 1))[:, None] * self.n_relations + np.arange(low, high)).ravel()
        _require(len(words) * m <= size, f"{block}: does not fit into its slot")
        return start + np.arange(len(words) * m), words

    def layout(self, blocks: list[dict[str, Any]]) -> _Layout:
        """The columns that blocks claim."""
        length, word, bit, book, off, scale, top = np.full((7, self.d), -1)
        for block in blocks:
            (columns, words), m = self.columns(block), self.books[block["book"]]["bits"]
            _require((length[columns] < 0).all(), f"{block}: columns are claimed twice")
            _require((block["form"] == "number") == (m == 0), f"{block}: a code of {m} bits")
            length[columns], word[columns] = block["words"], np.repeat(words, max(m, 1))
            bit[columns], book[columns] = np.tile(np.arange(max(m, 1)), len(words)), block["book"]
            off[columns], scale[columns] = {"bits": (0, 1), "number": (0, 1), "signs": (-1, 2)}[block["form"]]
            top[columns] = 1 if m else max(1, int(self.numbers[block["book"]].max()))
        return _Layout(length, word, bit, book, off, scale, top)

    def _codes(self, books: list[dict[str, Any]], blocks: list[dict[str, Any]]) -> None:
        """The embedding of every entity spells the codes of the nodes that its words lead to, and is constant elsewhere.

        The code of a node is read where it is spelled first; it must be the same wherever that node is reached.
        """
        _require(all(0 <= book["bits"] <= MOST_BITS for book in books), "codes: too many bits")
        self.books, self.numbers = books, [np.full(self.n + 1, -1) for _ in books]
        layout, rows, fixed = self.layout(blocks), self.n, self.layout(blocks).length < 0
        first, extra = self._rows("embedding", slice(1))[0], []
        spelled: list[list[np.ndarray]] = [[] for _ in blocks]
        if self.chain and self.some_missing:  # the token *unknown* is written, and read again
            rows, extra = rows + 1, [(self.n, self.special_rows[:1])]
        for start, held in chain(self._pieces("embedding", self.n), extra):
            self.largest = max(self.largest, int(held.max()), -int(held.min()))
            for row, _ in np.argwhere(held[:, fixed] != first[fixed])[:1]:
                raise Refuted(f"subject: the embedding of {self._name(start + row)} differs where no code is claimed")
            for block, parts in zip(blocks, spelled, strict=True):
                columns, m = self.columns(block)[0], max(books[block["book"]]["bits"], 1)
                part = held[:, columns[0] : columns[-1] + 1]
                low, high = int(part.min()), int(part.max())
                right = low >= 0 and (high <= 1 or block["form"] == "number")
                if block["form"] == "signs":
                    right = low >= -1 and high <= 1 and bool((part & 1).all())
                    part = (part + 1) >> 1
                _require(right, f"subject: slot {block['slot']} does not hold {block['form']} alone")
                parts.append(part.reshape(len(held), -1, m) @ (1 << np.arange(m)).astype(np.int64 if m > 30 else held.dtype))
        for block, parts in zip(blocks, spelled, strict=True):
            reached = self.words(block["words"])[self.columns(block)[1], :rows]
            self.numbers[block["book"]][reached] = np.concatenate(parts).T
        for book, numbers in zip(books, self.numbers, strict=True):
            numbers[self.n] = -1 if book["unknown"] is None else book["unknown"]
            _require(self.some_missing or book["unknown"] is None, "codes: unknown has a code, but no fact is missing")
            _require(not book["bits"] or numbers.max() >> book["bits"] == 0, "codes: a number has too many bits")
        for block, parts in zip(blocks, spelled, strict=True):
            numbers, words = self.numbers[block["book"]], self.columns(block)[1]
            reached, number = self.words(block["words"])[words, :rows], np.concatenate(parts).T
            for word, row in np.argwhere(numbers[reached] != number)[:1]:
                raise Refuted(
                    f"subject: {self._name(row)} spells number {number[word, row]} for word {words[word]} in slot "
                    f"{block['slot']}; {self._name(reached[word, row])} has {numbers[reached[word, row]]}"
                )
        self.subject, self.subject_blocks = self.layout(blocks), blocks
        self.entity = np.where(fixed, first, self.subject.off)

    def _name(self, node: int) -> str:
        return "unknown" if node == self.n else self.names[node]

    # ---------------------------------------------------------------- one deciding position

    def _run(self, step: int, n_letters: int) -> None:
        """Prove what the deciding position of a step says when its path has `n_letters` letters for it.

        A chain's step has `per_token` letters unless the path ends before; PAD follows. Every other model has one step.
        """
        self.claim("run", step=step, letters=n_letters)
        self.here, first = self.hops + step - 1, (step - 1) * self.per_token + 1
        end, pad = first + n_letters, self.special_rows[1:2]
        # For each position the rows of the embedding that its token may have: None is an entity, whose row varies.
        self.token: list[np.ndarray | None] = [None]
        for position in range(1, self.here + 1):
            after_end = pad if n_letters < self.per_token else np.concatenate([self.letters, pad])
            known = self.letters if position < end or not self.chain else after_end
            self.token.append(known if position <= self.hops else None)
        own, columns = self.token[self.here], np.flatnonzero(self.subject.length >= 0)
        self.at_hand = 0 if own is not None else self.here  # the position of the node at hand
        self.now, self.used, self.error = self.subject, np.zeros(self.d, bool), Fraction(0)
        self.moved, self.stale = np.zeros(self.d, bool), np.zeros(self.d, bool)
        self.free: dict[int | str, np.ndarray] = {} if own is None else {self.here: own}
        x = _Values(self.positions[self.here][None])
        if own is None:
            x = x.plus(self.entity, columns, columns, self.subject.scale[columns])
        blocks = self.subject_blocks
        for number in range(1, self.depth + 1):
            heads, mlp = self.weights[(number - 1) % len(self.layers)]
            claim = self.claim("pass", number=number)
            letters, after = claim["letters"], claim["after"]
            _require(letters == list(range(first, first + len(letters))), f"pass {number}: letters {letters}, next is {first}")
            _require(first + len(letters) <= end, f"pass {number}: reads more letters than the path has")
            choices = list(product(range(self.n_relations), repeat=len(letters)))
            cases = np.array(choices, int).reshape(len(choices), len(letters))
            x = x.repeated(len(cases))
            for place, letter in enumerate(letters):
                if letter in self.free:
                    x.const += self.free.pop(letter)[cases[:, place]]
            x = self._attend(x, heads, cases, letters, f"pass {number}")
            x = self._mlp(x, mlp) if mlp else x
            if after is not None:
                x = self._rebase(x, len(letters), after, number == self.depth)
                self._all_used(blocks)
                first, blocks, self.used = first + len(letters), after, np.zeros(self.d, bool)
            _require(after is not None or number == self.depth, f"pass {number} leaves nothing for the next")
        self._decode(x, cases, end - first)
        if n_letters:
            self._all_used(blocks)

    def _all_used(self, blocks: list[dict[str, Any]]) -> None:
        for block in blocks:
            _require(self.used[self.columns(block)[0]].any(), f"{block} is claimed, but nothing reads it")

    def _read(self, x: _Values, matrix: _Matrix, what: str) -> _Values:
        """The matrix times the stream: it may not read what is not known, nor tell letters apart that are not at hand."""
        _require(not matrix.reads[self.stale].any(), f"{what} reads a column of which nothing is known")
        for letter, table in self.free.items():
            told = (table - table[0])[:, matrix.reads] @ matrix.dense[:, matrix.reads].T
            _require(not told.any(), f"{what} tells letters apart that are not at hand ({letter})")
        return _Values(x.const + sum(table[0] for table in self.free.values()), x.at, x.key, x.coef).through(matrix)

    def _sizes(self, x: _Values) -> np.ndarray:
        free = [np.abs(table).max(axis=0) for table in self.free.values()]
        return sum(free, x.sizes(self.now.top))

    def _attend(self, x: _Values, heads: list[list[_Matrix]], cases: np.ndarray, letters: list[int], where: str) -> _Values:
        """Every head adds what it reads: of one position, or of all in equal parts."""
        before, error, moved = x, Fraction(0), self.moved.copy()
        everywhere = range(self.here + 1)
        for h, (query, key, value, output) in enumerate(heads):
            what = f"{where}, head {h}"
            _require(not ((key.reads | value.reads) & moved).any(), f"{what} reads elsewhere what a layer has written")
            largest = [value.sums(self._token_sizes(p)) for p in everywhere]
            self.peak = max(self.peak, int(sum(largest).max(initial=0)), int(output.sums(sum(largest)).max()))
            read = [int(size.max(initial=0)) for size in largest]
            if not len(query.dense):
                self._head(h, "all", 0, value, output)
                total, count = _Values(np.zeros_like(x.const)), len(everywhere)
                for p in everywhere:
                    part, told = self._value(value, output, cases, letters, p, what)
                    total = total.plus(part.const, part.at, part.key, part.coef)
                    if told is not None:
                        raise Undecided(f"{what} mixes letters that are not at hand")
                if count not in (1, 2, 4) or (total.const % count).any() or (total.coef % count).any():
                    raise Undecided(f"{what}: the average of {count} positions is not whole, or is rounded")
                x = x.plus(total.const // count, total.at, total.key, total.coef // count)
                self.moved |= output.writes
                continue
            asked = self._read(before, query, what)
            _require(not len(asked.at), f"{what}: its query depends on the facts")
            keys = np.stack([self._key(key, p, what) for p in everywhere])
            scores = asked.const @ keys.T
            ordered = np.sort(scores, axis=1)
            gap, best = int((ordered[:, -1] - ordered[:, -2]).min()), scores.argmax(axis=1)
            _require(gap > 0, f"{what}: two positions have the same score")
            self._head(h, best, gap, value, output, cases)
            sums, size = query.sums(self._sizes(before)), np.abs(keys).max(axis=0)
            self.peak = max(self.peak, int(sums.max()), int(sums @ size))
            self.gap = min(self.gap, gap)
            if (query.reads & moved).any():
                shaken = 2 * self.error * query.norm * int(np.abs(keys).sum(axis=1).max())
                if shaken > 1:
                    raise Undecided(f"{what}: earlier leaks may move its scores by {shaken}")
                gap -= 1
            apart = max(read[p] + read[q] for p in everywhere for q in range(p))
            error += _leak(gap, self.here) * apart * output.norm
            for position in np.unique(best).tolist():
                part, told = self._value(value, output, cases, letters, position, what)
                chosen = best == position
                if told is not None:
                    _require(chosen.all(), f"{what} reads letter {position}, which is not at hand, in some cases only")
                    self.free[position] = self.free.get(position, 0) + told
                kept = chosen[part.at // self.d]
                x = x.plus(part.const * chosen[:, None], part.at[kept], part.key[kept], part.coef[kept])
            self.moved |= output.writes
        self.error += error
        return x

    def _head(self, h: int, best: Any, gap: int, value: _Matrix, output: _Matrix, cases: Any = None) -> None:
        """The claim about a head: between which slots it copies, from which position, and by what gap of scores."""
        sides = {"from": value.reads, "to": output.writes}
        touched = {side: [s for s, (at, size) in self.slots.items() if on[at : at + size].any()] for side, on in sides.items()}
        reads = self.claim("head", number=h, gap=gap, **touched)["reads"]
        wanted: Any = reads
        if isinstance(reads, dict):
            wanted = np.where(cases[:, -1] == reads["letter"], reads["then"], reads["else"])
        _require(np.all(wanted == best), f"head {h} reads {best}, claimed is {reads}")

    def _token_sizes(self, position: int) -> np.ndarray:
        """The largest absolute value of each coordinate of the embedded token there."""
        token, subject = self.token[position], self.subject
        most = self.entity + np.where(subject.length >= 0, subject.scale * subject.top, 0)
        entity = np.maximum(np.abs(self.entity), np.abs(most))
        return np.abs(self.positions[position]) + (entity if token is None else np.abs(token).max(axis=0))

    def _key(self, key: _Matrix, position: int, what: str) -> np.ndarray:
        """The key of a position, whatever token it holds."""
        token = self.token[position]
        if token is None:
            _require(not key.reads[self.subject.length >= 0].any(), f"{what}: a key depends on the facts")
            token = self.entity[None]
        keys = (token + self.positions[position]) @ key.dense.T
        _require((keys == keys[0]).all(), f"{what}: the key of position {position} depends on its letter")
        return keys[0]

    def _value(
        self, value: _Matrix, output: _Matrix, cases: np.ndarray, letters: list[int], position: int, what: str
    ) -> tuple[_Values, np.ndarray | None]:
        """What a head adds that reads a position; and for a letter that is not at hand what each choice adds to that."""
        token, n = self.token[position], len(cases)
        fixed = _Values(self.positions[position][None])
        if token is None:
            columns = np.flatnonzero(value.reads & (self.subject.length >= 0))
            if len(columns) and (position != self.at_hand or self.now is not self.subject):
                raise Undecided(f"{what} reads an entity that is not at hand")
            fixed = fixed.plus(self.entity, columns, columns, self.subject.scale[columns])
            return fixed.through(value).through(output).repeated(n), None
        always = fixed.through(value).through(output).repeated(n)
        rows = token @ value.dense.T @ output.dense.T
        if position in letters:
            return always.plus(rows[cases[:, letters.index(position)]]), None
        return (always, rows) if len(token) > 1 else (always.plus(rows), None)

    def _mlp(self, x: _Values, mlp: list[_Matrix]) -> _Values:
        hidden, gain, sizes = self._read(x, mlp[0], "the MLP"), 1, self._sizes(x)
        for matrix in mlp:
            if matrix is not mlp[0]:
                hidden = self._relu(hidden)
                sizes = hidden.sizes(self.now.top)
                hidden = hidden.through(matrix)
            self.peak = max(self.peak, int(matrix.sums(sizes).max()))
            gain *= matrix.norm
        self.error *= 1 + gain  # ReLU is 1-Lipschitz
        self.moved |= mlp[-1].writes
        return x.plus(hidden.const, hidden.at, hidden.key, hidden.coef)

    def _relu(self, x: _Values) -> _Values:
        """Units, each from the few values that its input can have."""
        top, variable = self.now.top, x.key < self.d
        n_variables, n_nodes = (np.bincount(x.at[kind], minlength=x.const.size) for kind in (variable, ~variable))
        mixed = variable & (n_nodes[x.at] > 0)
        if mixed.any():  # bits of the node beside amounts that depend on it: written as such amounts
            which, node, bit = self._node_bits(x.key[mixed])
            pure = _Values(x.const, x.at[~mixed], x.key[~mixed], x.coef[~mixed])
            return self._relu(pure.plus(0, x.at[mixed][which], self.d + node, x.coef[mixed][which] * bit))
        self.used[x.key[variable]] = True
        low = x.const.ravel()
        base = np.maximum(low, 0)
        # One bit, or one number on which the sign does not depend: known from both ends of its range.
        one = variable & (n_variables[x.at] == 1)
        at, key = x.at[one], x.key[one]
        high = low[at] + x.coef[one] * top[key]
        if ((top[key] > 1) & (np.minimum(low[at], high) < 0) & (np.maximum(low[at], high) > 0)).any():
            raise Undecided("a unit bends within the range of a number")
        new = [(at, key, (np.maximum(high, 0) - base[at]) // top[key])]
        # Several bits: never above 0, or above 0 for a single code of the node.
        many = variable & (n_variables[x.at] > 1)
        if many.any():
            key, coef = x.key[many], x.coef[many]
            at, first = np.unique(x.at[many], return_index=True)
            most = low[at] + np.add.reduceat(np.maximum(coef, 0) * top[key], first)
            bits, book = self._node()
            of_node = np.logical_and.reduceat((self.now.length[key] == 0) & (self.now.book[key] == book), first)
            sharp = of_node & (n_variables[at] == bits) & (most <= np.minimum.reduceat(np.abs(coef), first))
            if ((most > 0) & ~sharp).any():
                raise Undecided("a unit depends on several bits, and not on a single code of the node")
            number = np.add.reduceat((coef > 0) * (1 << self.now.bit[key]), first)
            node = self._node_of(number, book)
            base[at], fires = 0, (most > 0) & (node >= 0)
            new.append((at[fires], self.d + node[fires], most[fires]))
        # Amounts that depend on the node: a value for each.
        at = x.at[~variable]
        new.append((at, x.key[~variable], np.maximum(low[at] + x.coef[~variable], 0) - base[at]))
        return _Values(base.reshape(x.const.shape)).plus(0, *(np.concatenate(parts) for parts in zip(*new, strict=True)))

    def _node(self) -> tuple[int, int]:
        """How many bits spell the node at hand, and in which book; 0 if none do."""
        spelled = np.flatnonzero(self.now.length == 0)
        return len(spelled), int(self.now.book[spelled[0]]) if len(spelled) else 0

    def _node_of(self, numbers: np.ndarray, book: int) -> np.ndarray:
        """The node with each number, -1 if there is none."""
        order = np.argsort(self.numbers[book], kind="stable")
        known = self.numbers[book][order]
        _require(not ((np.diff(known) == 0) & (known[1:] >= 0)).any(), "codes: two nodes have the same code")
        at = np.minimum(np.searchsorted(known, numbers), self.n)
        return np.where(known[at] == numbers, order[at], -1)

    def _node_bits(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For unknowns that are bits of the node at hand: (which of them, every node, its bit)."""
        numbers = self.numbers[self._node()[1]]
        if (self.now.length[keys] != 0).any():
            raise Undecided("bits that are not the node's are mixed with amounts that depend on the node")
        nodes = np.flatnonzero(numbers >= 0)
        bits = (numbers[nodes] >> self.now.bit[keys][:, None]) & 1
        return np.repeat(np.arange(len(keys)), len(nodes)), np.tile(nodes, len(keys)), bits.ravel()

    def _rebase(self, x: _Values, length: int, blocks: list[dict[str, Any]], last: bool) -> _Values:
        """After a pass the columns of `blocks` spell codes as seen from the next node: the one that its letters lead to."""
        old, new, n = self.now, self.layout(blocks), len(x.const)
        x = self._settled(x, new.length < 0)
        columns = np.flatnonzero(new.length >= 0)
        column, at = np.tile(columns, n), (np.arange(n)[:, None] * self.d + columns).ravel()
        word = np.repeat(np.arange(n), len(columns)) * self.n_relations ** new.length[column] + new.word[column]
        start, stop = np.searchsorted(x.at, at), np.searchsorted(x.at, at, "right")
        key, coef = np.append(x.key, self.d)[start], np.append(x.coef, 0)[start]
        same = (stop - start == 1) & (key < self.d) & (coef == new.scale[column]) & (x.const.ravel()[at] == new.off[column])
        key = np.where(same, key, 0)
        same &= (old.length[key] == length + new.length[column]) & (old.word[key] == word)
        same &= (old.bit[key] == new.bit[column]) & (old.book[key] == new.book[column])
        self.used[key[same]] = True
        if not same.all():
            self._same_at_every_node(x, at[~same], column[~same], length, word[~same], new)
        known = (new.length < 0) & ~self.stale
        known[x.at % self.d] = False
        const = x.const
        if not last:  # what differs from case to case is one of the rows of a table from now on
            self.free[f"pass {len(self.free)}"] = np.where(known, const - const[0], 0)
            const = const[:1]
        self.stale = ~known & (new.length < 0)
        self.now = new
        const = np.where(new.length < 0, const * known, new.off)
        return _Values(const[:1], columns, columns, new.scale[columns]).repeated(len(const)).plus(const - const[:1])

    def _settled(self, x: _Values, where: np.ndarray) -> _Values:
        """The same values; in some columns amounts that are alike at every node are constants."""
        variable = where[x.at % self.d] & (x.key < self.d)
        variable &= self.now.length[np.where(variable, x.key, 0)] == 0
        which, node, bit = self._node_bits(x.key[variable])
        added = x.at[variable][which], self.d + node, x.coef[variable][which] * bit
        x = _Values(x.const, x.at[~variable], x.key[~variable], x.coef[~variable]).plus(0, *added)
        of_node, const = x.key >= self.d, x.const.copy()
        at, first, count = np.unique(x.at[of_node], return_index=True, return_counts=True)
        if not len(at):
            return x
        low, high = (bound.reduceat(x.coef[of_node], first) for bound in (np.minimum, np.maximum))
        alike = where[at % self.d] & (count == np.count_nonzero(self.numbers[self._node()[1]] >= 0)) & (low == high)
        const.ravel()[at[alike]] += low[alike]
        kept = ~(of_node & np.isin(x.at, at[alike]))
        return _Values(const, x.at[kept], x.key[kept], x.coef[kept])

    def _same_at_every_node(
        self, x: _Values, at: np.ndarray, column: np.ndarray, length: int, word: np.ndarray, new: _Layout
    ) -> None:
        """The values at these places spell the codes of the nodes that the words lead to, from every node at hand."""
        nodes = np.flatnonzero(self.numbers[self._node()[1]] >= 0)
        place = np.cumsum(self.numbers[self._node()[1]] >= 0) - 1
        mine = np.minimum(np.searchsorted(at, x.at), len(at) - 1)
        row, bits = np.where(at[mine] == x.at, mine, -1), x.key < self.d
        value = np.repeat(x.const.ravel()[at][:, None], len(nodes), axis=1)
        chosen = (row >= 0) & bits
        which, node, bit = self._node_bits(x.key[chosen])
        np.add.at(value, (row[chosen][which], place[node]), x.coef[chosen][which] * bit)
        chosen = (row >= 0) & ~bits
        np.add.at(value, (row[chosen], place[x.key[chosen] - self.d]), x.coef[chosen])
        for inner in np.unique(new.length[column]):
            some = np.flatnonzero(new.length[column] == inner)
            reached = self.words(length + int(inner))[word[some]][:, nodes]
            number = np.stack(self.numbers)[new.book[column[some]][:, None], reached]
            bit, off, scale = (part[column[some]][:, None] for part in (new.bit, new.off, new.scale))
            wanted = off + scale * ((number >> bit) & 1)
            for i, e in np.argwhere((value[some] != wanted) | (number < 0))[:1]:
                raise Refuted(
                    f"pass: after word {word[some][i]} from {self._name(nodes[e])} column {column[some][i]} holds "
                    f"{value[some][i, e]}, the code of {self._name(reached[i, e])} has {wanted[i, e]}"
                )

    # ---------------------------------------------------------------- the unembedding

    def _decode(self, x: _Values, cases: np.ndarray, left: int) -> None:
        """In every case the right token has the largest logit, whatever node is spelled."""
        claim = self.claim("decoder")
        reads, then, at_hand = claim["reads"], claim["then"], cases.shape[1]
        letters = (at_hand if reads == "letters" else 0) + (at_hand if then == "letters" else 0)
        _require(reads in ("node", "letters", "end") and letters == left, "decoder: letters are left, or read twice")
        _require((reads == "end") == (self.chain and not at_hand), "decoder: END is read after the path, and only there")
        const = x.const + sum(table[0] for table in self.free.values())
        groups: dict[bytes, list[tuple[Any, ...]]] = {}  # cases that differ in the columns that are read, at most
        for case in range(len(const)):
            mine = x.at // self.d == case
            column, key, coef = x.at[mine] % self.d, x.key[mine], x.coef[mine]
            _require((key < self.d).all(), "decoder: the final state is no code")
            length, word = (at_hand, case) if reads == "letters" else (0, 0)
            spelled = (self.now.length == length) & (self.now.word == word) & (reads != "end")
            answer, fixed = spelled[key], np.flatnonzero(const[case])
            nodes, target = np.zeros(1, int), np.array([self.n_vocab - 1])  # END is the last token
            if reads != "end":
                book = self.now.book[spelled][:1]
                nodes = np.flatnonzero(self.numbers[int(book[0])] >= 0) if len(book) else nodes
                _require(len(book) and (answer.any() or len(nodes) == 1), "decoder: no column spells the answer")
                reached = self.words(at_hand)[case][nodes] if then == "letters" else nodes
                target = np.where(reached == self.n, self.n + self.n_relations, reached)
            self.used[key] = True
            described = (const[case][fixed], coef, answer, self.now.bit[key], self.now.book[key], self.now.top[key], target)
            group = groups.setdefault(b"".join(part.tobytes() + b"|" for part in described), [])
            group.append((np.concatenate([fixed, column]), const[case], column, key, coef, answer, nodes, target))
        together = {name: np.stack([case[0] for case in group]) for name, group in groups.items()}
        alike = dict.fromkeys(groups, True)
        tables = [table - table[0] for table in self.free.values()]
        tables = [(table.any(axis=0), table) for table in tables]
        for _, rows in self._pieces("unembedding", self.n_vocab):
            _require(not rows[:, self.stale].any(), "decoder: reads a column of which nothing is known")
            told = any((rows[:, on] @ table[:, on].T).any() for on, table in tables)
            _require(not told, "decoder: tells letters apart that are not at hand")
            for name, columns in together.items():
                read = rows[:, columns] if alike[name] and len(columns) > 1 else rows[:, :0]
                alike[name] &= bool((read == read[:, :1]).all())
        for name, group in groups.items():
            for _, *case in group[:1] if alike[name] else group:
                self._separate(*case)

    def _separate(
        self, const: np.ndarray, column: np.ndarray, key: np.ndarray, coef: np.ndarray, answer: np.ndarray,
        nodes: np.ndarray, target: np.ndarray,
    ) -> None:
        """Of a final state that spells any of the nodes, the target has the largest logit; notes by how much.

        All logits are doubled: with a bit `(1 + y) / 2` they are `base + <g, y>`, up to `aside` for what else varies.
        """
        fixed, top = np.flatnonzero(const), self.now.top[key]
        held = self._rows("unembedding", (slice(None), np.concatenate([fixed, column])))
        sure, told = held[:, : len(fixed)], held[:, len(fixed) :] * coef
        self.peak = max(self.peak, int((np.abs(sure) @ np.abs(const[fixed]) + np.abs(told) @ top).max()))
        book = int(self.now.book[key[answer]][0]) if answer.any() else 0
        bits = self.books[book]["bits"] if answer.any() else 0
        if answer.any() and not bits:
            return self._nearest(sure @ const[fixed], told, self.numbers[book][nodes], target)
        base, aside = 2 * (sure @ const[fixed]) + told.sum(axis=1), np.abs(told[:, ~answer]).sum(axis=1)
        g, each = np.zeros((self.n_vocab, bits), np.int64), np.arange(bits)
        np.add.at(g, (slice(None), self.now.bit[key[answer]]), told[:, answer])
        number = self.numbers[book][nodes]
        own = base[target] + (g[target] * (2 * ((number[:, None] >> each) & 1) - 1)).sum(axis=1) - aside[target]
        reach, size = base + np.abs(g).sum(axis=1) + aside, np.abs(g).min(axis=1, initial=2**MOST_BITS)
        coded = (size > 0) & (size == np.abs(g).max(axis=1, initial=0))
        kinds, kind = np.unique(np.stack([base, size, aside])[:, coded], axis=1, return_inverse=True)
        kind_of = np.full(self.n_vocab, -1)
        kind_of[coded] = np.where(kind.ravel() < MOST_KINDS, kind.ravel(), -1)
        # The rest may reach its largest logit in any state.
        rest = np.flatnonzero(kind_of < 0)
        rest = rest[np.argsort(reach[rest])[-2:]]
        margin, real, error = np.full(len(nodes), 2**MOST_BITS), [Fraction(2**MOST_BITS)], self.error
        total = 4 * error * self._norm(self.moved)
        for token in rest:
            apart = np.where(target == token, margin, own - reach[token])
            margin, real = np.minimum(margin, apart), [*real, Fraction(int(apart.min())) - total]
        # Tokens with one base and one size have sign codes: two different ones are 2 size apart at least.
        spread = 4 * error * self._norm(self.moved & ~np.isin(np.arange(self.d), column[answer]))
        for one in np.unique(kind_of[kind_of >= 0]):
            tokens = np.flatnonzero(kind_of == one)
            code = ((g[tokens] > 0) << each).sum(axis=1)
            order = np.argsort(code)
            tokens, code = tokens[order], code[order]
            _require((np.diff(code) > 0).all(), "decoder: two tokens have the same code")
            at = np.minimum(np.searchsorted(code, number), len(code) - 1)
            owner = np.where(code[at] == number, tokens[at], -1)
            most, step = int(reach[tokens[0]]), 2 * int(size[tokens[0]])
            apart = own - np.where((owner >= 0) & (owner != target), most, most - step)
            if len(tokens) == 1:
                apart = np.where(target == tokens[0], margin, apart)
            margin, mine = np.minimum(margin, apart), owner == target
            if len(tokens) > 1 and mine.any():
                lost = step * 2 * error / int(np.abs(coef[answer]).min())
                real.append(int(apart[mine].min()) - lost - spread)
            if not mine.all():
                real.append(Fraction(int(apart[~mine].min())) - total)
        for i in np.flatnonzero(margin <= 0)[:1]:
            raise Refuted(
                f"decoder: where the state spells {self._name(nodes[i])}, the logit of {self.names[target[i]]} is not "
                f"above all others: the difference is {margin[i]} / 2"
            )
        _require(len(margin), "decoder: no state at all")
        if min(real) <= 0:
            raise Undecided(f"decoder: the margin is {margin.min()} / 2, and leaks may take {total}")
        self.margins.append((Fraction(int(margin.min()), 2), min(real) / 2))

    def _nearest(self, base: np.ndarray, told: np.ndarray, number: np.ndarray, target: np.ndarray) -> None:
        """As `_separate` where one column holds a number v: tokens with `2 n v - n^2` are told apart by the nearest n."""
        if told.shape[1] != 1 or self.error:
            raise Undecided("decoder: numbers beside other codes, or with leaks")
        slope = told[:, 0]
        n = slope // 2
        field = (slope == 2 * n) & (base == -n * n)
        _require((field[target] & (n[target] == number)).all(), "decoder: an answer's row is not 2 n v - n^2 for its number n")
        known = np.sort(n[field])
        _require((np.diff(known) > 0).all(), "decoder: two tokens have the same number")
        padded = np.concatenate([[-(2**30)], known, [2**31]])
        at = np.searchsorted(known, number) + 1
        margin = int(np.minimum(number - padded[at - 1], padded[at + 1] - number).min()) ** 2
        for b, c in np.unique(np.stack([base[~field], slope[~field]]), axis=1).T[:MOST_KINDS]:
            margin = min(margin, int((number**2 - b - c * number).min()))
        if len(np.unique(np.stack([base[~field], slope[~field]]), axis=1).T) > MOST_KINDS:
            raise Undecided("decoder: too many kinds of rows beside the numbers")
        _require(margin > 0, f"decoder: the smallest margin is {margin}")
        self.margins.append((Fraction(margin), Fraction(margin)))

    def _norm(self, columns: np.ndarray) -> int:
        """The largest sum of absolute values of a row of the unembedding in these columns; 0 if there are no leaks."""
        pieces = self._pieces("unembedding", self.n_vocab if self.error else 0, columns)
        return max((int(np.abs(rows).astype(np.int64).sum(axis=1).max()) for _, rows in pieces), default=0)

    def _finite(self) -> bool:
        """Whether no number of a forward pass overflows, at positions whose states mean nothing too: by absolute values."""
        stream = _Sizes(np.full(self.d, self.largest) + np.abs(self.positions).max(axis=0), 0)
        limit = FINITE[self.dtype]
        for heads, mlp in (self.weights * self.depth)[: self.depth if self.depth > 1 else 0]:
            before = stream
            for query, key, value, output in heads:
                asked, held = before.through(query), before.through(key)
                if len(query.dense) and asked.bits() + held.bits() + len(query.dense).bit_length() > limit:
                    return False
                stream = stream.plus(before.through(value).through(output))
            hidden = stream
            for matrix in mlp:
                hidden = hidden.through(matrix)
                limit = limit if hidden.bits() <= limit else -1
            stream = stream.plus(hidden) if mlp else stream
            if stream.bits() > limit:
                return False
        return True
