"""What a folder holds: names, facts, and weights as integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from verify.kernel.verdict import Refuted, Undecided, require, whole
from verify.reading.maps import let_go
from verify.reading.stored import (
    DTYPES,
    integers,
    read_facts,
    read_vocabulary,
)
from verify.reading.weights import read_weights
from verify.symbolic.values import Matrix
from verify.symbolic.weights import Weights

LEAST_ROOM = 2**26  # numbers of a table that may be held, and as many as there are weights
AT_ONCE = 2**18  # entries of a table that are looked at together
SPANNED = 2**22  # entries of rows that lie together, of which some columns are read
SPECIALS = (["unknown"], ["unknown", "pad", "end"])

Head = list[Matrix]
Layer = tuple[list[Head], list[Weights]]
Tensors = Mapping[str, tuple[str, np.ndarray]]


@dataclass(frozen=True)
class Model:
    """What is stored.

    Attributes:
        n, n_relations, hops: N, R and k, or of a chain of thought the largest k.
        chain: whether tokens are written one after the other, and END after them.
        d: columns of the stream.
        dtype: of the weights.
        names: of all tokens, by id.
        table: int64 (R, N + 1), where every relation leads from every node; N is *unknown*.
        some_missing: whether a fact is missing.
        tensors: all weights as they are stored, by name.
        letters, specials: int64 (R, d) and (1 or 3, d), the embedding of these tokens.
        positions: int64 (positions, d); two rows of zeros if there are none.
        layers: as they are applied: the heads, (query, key, value, output) each, and the matrices
            of the MLP.
        room: how many numbers of a table may be held.
    """

    n: int
    n_relations: int
    hops: int
    chain: bool
    d: int
    dtype: str
    names: list[str]
    table: np.ndarray
    some_missing: bool
    tensors: Tensors
    letters: np.ndarray
    specials: np.ndarray
    positions: np.ndarray
    layers: list[Layer]
    room: int

    @property
    def n_vocab(self) -> int:
        """How many tokens there are."""
        return len(self.names)

    def name(self, node: int) -> str:
        """Of a node."""
        return "unknown" if node == self.n else self.names[node]

    def rows(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        """Rows of a tensor, int64 (Lemma S1)."""
        return _rows(self.tensors, name, rows)

    def over(self, name: str, stop: int, look: Callable[[slice, np.ndarray], Any]) -> list[Any]:
        """`look(rows, what is stored there)` for the first `stop` rows of a table, some at a time,
        in their order.
        """
        some, tensor = max(1, AT_ONCE // self.d), self.tensors[f"{name}.weight"][1]
        pieces = [slice(start, min(stop, start + some)) for start in range(0, stop, some)]
        held = [tensor[rows] for rows in pieces]

        def seen(rows: slice, stored: np.ndarray) -> Any:
            found = look(rows, stored)
            let_go(stored)
            return found

        with ThreadPoolExecutor(2) as threads:
            return list((threads.map if len(pieces) > 1 else map)(seen, pieces, held))

    def gathered(self, name: str, rows: np.ndarray, columns: slice) -> np.ndarray:
        """What is stored in these rows, in increasing order, and columns of a table."""
        tensor, found = self.tensors[f"{name}.weight"][1], []
        near = rows // max(1, SPANNED // self.d)
        for some in np.split(rows, np.flatnonzero(np.diff(near)) + 1):
            found.append(tensor[some, columns])
            for first, last in [some[[0, -1]]] if len(some) else []:
                let_go(tensor[first : last + 1])
        return np.concatenate(found)

    def require_room(self, rows: int, what: str) -> None:
        """Raise Undecided if so many rows of N + 1 nodes are more than may be held."""
        _require_room(rows * (self.n + 1), self.room, what)


def read_model(files: Mapping[str, Any], manifest: Any) -> Model:
    """All of it (Lemma S1)."""
    sizes, shape, specials = manifest["sizes"], manifest["architecture"], manifest["specials"]
    n, r, hops, d = (
        whole(sizes[name], 1, name) for name in ("entities", "relations", "hops", "d_model")
    )
    require(specials in SPECIALS, f"manifest.json: the special tokens are {specials}")
    tensors = read_weights(files)
    tables = {name: (n + r + len(specials), d) for name in ("embedding", "unembedding")}
    if whole(sizes["positions"], 0, "positions"):
        tables["positions"] = (sizes["positions"], d)
    _require_shapes(tensors, tables | _shapes(shape["layers"], d), DTYPES[manifest["dtype"]])
    names = read_vocabulary(files["vocabulary.txt"], n, r, specials)
    room = max(LEAST_ROOM, stored_numbers(tensors))
    _require_room(r * (n + 1), room, "the table of facts")
    table = read_facts(files, names, n, r)
    layers = [_layer(tensors, i, layer) for i, layer in enumerate(shape["layers"])]
    return Model(
        n=n,
        n_relations=r,
        hops=hops,
        chain=len(specials) > 1,
        d=d,
        dtype=manifest["dtype"],
        names=names,
        table=table,
        some_missing=bool((table[:, :n] == n).any()),
        tensors=tensors,
        letters=_rows(tensors, "embedding", slice(n, n + r)),
        specials=_rows(tensors, "embedding", slice(n + r, None)),
        positions=(
            _rows(tensors, "positions") if sizes["positions"] else np.zeros((2, d), np.int64)
        ),
        layers=layers * whole(shape["repeats"], 1, "repeats"),
        room=room,
    )


def stored_numbers(tensors: Tensors) -> int:
    """How many weights there are."""
    return sum(tensor.size for _, tensor in tensors.values())


def _require_room(numbers: int, room: int, what: str) -> None:
    """Raise Undecided if so many numbers are many, and more than weights."""
    if numbers > room:
        raise Undecided(f"{what} takes {numbers} numbers, and {room} may be held")


def _rows(tensors: Tensors, name: str, rows: Any = slice(None)) -> np.ndarray:
    """Rows of a tensor, int64."""
    tensor = tensors[f"{name}.weight"][1]
    found = integers(tensor[rows], f"{name}.weight").astype(np.int64)
    let_go(tensor[rows[0] if isinstance(rows, tuple) else rows])
    return found


def _shapes(layers: list[dict[str, Any]], d: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of all layers, by name."""
    require(layers, "manifest.json: there is no layer")
    expected: dict[str, tuple[int, ...]] = {}
    for i, layer in enumerate(layers):
        for width in [*chain(*layer["heads"]), *(n - 1 for n in layer["d_mlp"])]:
            whole(width, 0, f"a width of layer {i}")
        if layer["heads"]:
            d_qk, d_v = (sum(widths) for widths in zip(*layer["heads"], strict=True))
            rows = {"query": (d_qk, d), "key": (d_qk, d), "value": (d_v, d), "output": (d, d_v)}
            expected |= {f"layers.{i}.attention.{name}": size for name, size in rows.items()}
        widths = [d, *layer["d_mlp"], d] if layer["d_mlp"] else [d]
        expected |= {
            f"layers.{i}.mlp.weights.{j}": (widths[j + 1], widths[j])
            for j in range(len(widths) - 1)
        }
    return expected


def _require_shapes(tensors: Tensors, expected: dict[str, tuple[int, ...]], dtype: str) -> None:
    """The file holds just the tensors of the architecture (Lemma S1)."""
    wanted = {f"{name}.weight": (dtype, size) for name, size in expected.items()}
    found = {name: (stored, tensor.shape) for name, (stored, tensor) in tensors.items()}
    require(found == wanted, f"the weights are {found}, the architecture is {wanted}")


def _layer(tensors: Tensors, i: int, layer: dict[str, Any]) -> Layer:
    """The heads, (query, key, value, output) each, and the matrices of the MLP."""
    heads, qk, v = [], 0, 0
    names = ("query", "key", "value", "output") if layer["heads"] else ()
    full = [_rows(tensors, f"layers.{i}.attention.{name}") for name in names]
    for d_qk, d_v in layer["heads"]:
        queries, keys = (w[qk : qk + d_qk] for w in full[:2])
        parts = queries, keys, full[2][v : v + d_v], full[3][:, v : v + d_v]
        heads.append([Matrix(part) for part in parts])
        qk, v = qk + d_qk, v + d_v
    depth = len(layer["d_mlp"]) + 1 if layer["d_mlp"] else 0
    stored = [f"layers.{i}.mlp.weights.{j}.weight" for j in range(depth)]
    return heads, [Weights(tensors[name][1], name) for name in stored]


def stored_as(numbers: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Integers in the form in which `like` holds numbers; exactly, or refused."""
    if like.dtype.kind == "u":
        found = (numbers.astype(np.float32).view(np.uint32) >> 16).astype(like.dtype)
    else:
        with np.errstate(over="ignore"):
            found = numbers.astype(like.dtype)
    if (integers(found, "a code") != numbers).any():
        raise Refuted(f"a code holds a number that {like.dtype} does not")
    return found


def differing(held: np.ndarray, wanted: np.ndarray, what: str) -> np.ndarray:
    """The first place (at most one, as rows of indices) where numbers are not the wanted integers,
    both as stored.
    """
    bits = f"u{held.itemsize}"
    if (held.view(bits) == wanted.view(bits)).all():
        return np.zeros((0, held.ndim), int)
    return np.argwhere(integers(held, what) != integers(wanted, what))[:1]  # minus zero is zero
