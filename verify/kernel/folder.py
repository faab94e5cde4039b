"""What the kernel reads of a model folder: weights in integers, facts, claims.

Files are taken for what they should be; `verify.checking.described` says beside it whether they
are that. What is malformed ends in an exception, and is not proven.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from verify.kernel.verdict import Undecided, require, whole

DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8"}
PARTS = ("query", "key", "value", "output")
MOST_NUMBERS = 2**28
"""Of a table that is held: facts, or nodes x cases x columns, positions or widths in a layer."""
Head = tuple[np.ndarray, ...]
"""Its `PARTS`: (d_qk, d), (d_qk, d), (d_v, d), (d, d_v)."""
Layer = tuple[list[Head], list[np.ndarray]]
"""Heads, and the matrices of the MLP, (out, in) each."""


def read_tensors(raw: Any) -> dict[str, tuple[str, np.ndarray]]:
    """The tensors of a safetensors file, name to (dtype, array)."""
    data, found = np.frombuffer(raw, np.uint8), {}
    begin = 8 + int.from_bytes(data[:8].tobytes(), "little")
    for name, entry in json.loads(data[8:begin].tobytes()).items():
        start, stop = entry["data_offsets"]
        require(0 <= start <= stop <= len(data) - begin, f"{name} lies outside of its file")
        numbers = data[begin + start : begin + stop].view(STORED[entry["dtype"]])
        found[name] = entry["dtype"], numbers.reshape(entry["shape"])
    return found


def integers(stored: np.ndarray, what: str) -> np.ndarray:
    """The stored numbers in float64, if they are integers up to 2^53 (Lemma K1)."""
    if stored.dtype.kind == "u":  # bfloat16 is the upper half of a float32
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    found = stored.astype(np.float64)
    fits = (np.rint(found) == found) & (np.abs(found) <= 2.0**53)
    require(fits.all(), f"{what} holds a number that is no integer of at most 2^53")
    return found


def read_facts(files: Mapping[str, Any], n: int, r: int) -> np.ndarray:
    """Where each relation leads from each node, int (R, N + 1): to N, *unknown*, where a fact is
    missing, and from N.
    """
    require(r * (n + 1) <= MOST_NUMBERS, f"a table of {r * (n + 1):,} is not held", Undecided)
    table = np.full((r, n + 1), n)
    if "facts.safetensors" in files:
        kind, facts = read_tensors(files["facts.safetensors"])["facts"]
        fits = kind == "I32" and facts.shape == (r, n) and -1 <= facts.min() <= facts.max() < n
        require(fits, "facts.safetensors: not the entity, or -1, of each relation and subject")
        table[:, :n] = np.where(facts < 0, n, facts)
        return table
    names = bytes(files["vocabulary.txt"]).decode().split("\n")
    entities = {name: i for i, name in enumerate(names[:n])}
    relations = {name: i for i, name in enumerate(names[n : n + r])}
    require(len(entities) == n and len(relations) == r, "vocabulary.txt: a name stands twice")
    text = bytes(files["facts.tsv"]).decode().removesuffix("\n")
    cells = (line.split("\t") for line in text.split("\n") if text)
    found = [(entities[s], relations[p], entities[o]) for s, p, o in cells]
    subjects, letters, answers = np.array(found, int).reshape(-1, 3).T
    once = len(np.unique(subjects * r + letters)) == len(found)
    require(once, "facts.tsv: a subject has two answers to one relation")
    table[letters, subjects] = answers
    return table


class Model:
    """A model, its task and its claims. All weights are integers in float64; a *node* is an entity
    or *unknown*, 0..N.

    Attributes:
        n, r, hops: N, R, and k, or K of a chain of thought.
        per_token: hops for each written token; 0 where none is written.
        nodes: how many a claimed query may pass, the first ones: N + 1; N if it is to be stored.
        dtype: of the stored weights.
        facts: int (R, N + 1), where each relation leads from each node.
        embedding, unembedding: (V, d).
        positions: (L, d), 0 where the model has none.
        layers: in the order of application.
        rows: by the kind of a position, the embeddings that it may hold (Lemma K2).
        claims: of the passes, in order: those that are left.
    """

    def __init__(self, files: Mapping[str, Any], manifest: Any):
        """Raises Refuted where the files are not those of the architecture (Lemma K1)."""
        sizes, stored, specials = manifest["sizes"], manifest["architecture"], manifest["specials"]
        n, r, self.hops = (whole(sizes[s], 1, s) for s in ("entities", "relations", "hops"))
        chain, d = len(specials) == 3, sizes["d_model"]
        task, _, *claims = json.loads(bytes(files["certificate.json"]))
        self.per_token = whole(task["hops_per_token"], int(chain), "hops_per_token")
        self.nodes = n + {"all": 1, "stored": 0}[task["queries"]]
        self.n, self.r, self.dtype, self.claims = n, r, manifest["dtype"], iter(claims)
        length = self.hops + 1 + (-(-self.hops // self.per_token) if chain else 0)
        fits = self.per_token <= self.hops * chain and sizes["positions"] in (0, length)
        fits = fits and stored["repeats"] * len(stored["layers"]) <= len(claims)
        require(fits, "hops for a written token, positions or claims are of another number")
        shapes = {name: (n + r + len(specials), d) for name in ("embedding", "unembedding")}
        shapes |= {"positions": (length, d)} if sizes["positions"] else {}
        for i, layer in enumerate(stored["layers"]):
            shapes |= {f"layers.{i}.{name}": size for name, size in layer_shapes(layer, d)}
        tensors = read_tensors(files["weights.safetensors"])
        found = {name: (dtype, tensor.shape) for name, (dtype, tensor) in tensors.items()}
        wanted = {f"{name}.weight": (DTYPES[self.dtype], shapes[name]) for name in shapes}
        require(found == wanted, f"weights.safetensors holds {found}, not {wanted}")
        weights = {name: integers(tensors[f"{name}.weight"][1], name) for name in shapes}
        self.embedding, self.unembedding = weights["embedding"], weights["unembedding"]
        self.positions = weights.get("positions", np.zeros((length, d)))
        layers = [layer_parts(weights, i, layer) for i, layer in enumerate(stored["layers"])]
        self.layers, self.facts = layers * stored["repeats"], read_facts(files, n, r)
        entity, letter, unknown, pad, _ = np.split(self.embedding, np.cumsum([n, r, 1, chain]))
        # where a fact is missing, and claimed, *unknown* is written, and read
        read = unknown[: int((self.facts[:, :n] == n).any() and self.nodes > n)]
        self.rows = {"entity": entity, "letter": letter, "written": np.vstack([entity, read])}
        self.rows |= {"pad": pad, "either": np.vstack([letter, pad])}

    def runs(self) -> list[tuple[int, int]]:
        """Every deciding position: (step, letters that are left for it)."""
        # chain.v: step_is_run
        if not self.per_token:
            return [(1, self.hops)]
        steps, j, k = range(1, len(self.positions) - self.hops + 1), self.per_token, self.hops
        return [(i, n) for i in steps for n in range(i == 1, max(0, min(j, k - (i - 1) * j)) + 1)]

    def ways(self, length: int) -> np.ndarray:
        """How many paths of so many letters, of a claimed query, begin at each node."""
        # claimed_queries.v: ways_to_pass
        found = (np.arange(self.n + 1) < self.nodes).astype(object)
        for _ in range(length):
            found = found[self.facts].sum(axis=0)
        return np.asarray(found)

    def queries(self) -> tuple[int, int]:
        """How many queries are claimed, and how many others there are."""
        # claimed_queries.v: claimed_queries_counted
        lengths = range(1 if self.per_token else self.hops, self.hops + 1)
        claimed = sum(int(self.ways(length)[: self.n].sum()) for length in lengths)
        return claimed, sum(self.n * self.r**length for length in lengths) - claimed

    def kinds(self, step: int, left: int) -> list[str]:
        """What each position up to the deciding one may hold (Lemma K2)."""
        # chain.v: step_possible
        first, letters = (step - 1) * self.per_token + 1, ["letter"] * self.hops
        for p in range(1, self.hops + 1) if self.per_token else ():
            if p >= first + left:
                letters[p - 1] = "pad" if left < self.per_token else "either"
            elif not left and p > first - self.per_token:
                letters[p - 1] = "either"  # the path may have ended within the step before
        return ["entity", *letters, *["written"] * (step - 1)]


def layer_shapes(layer: Any, d: int) -> list[tuple[str, tuple[int, int]]]:
    """The tensors of a layer, name and shape."""
    qk, v = (sum(widths) for widths in zip(*layer["heads"] or [[0, 0]], strict=True))
    heads = zip(PARTS, ((qk, d), (qk, d), (v, d), (d, v)), strict=True)
    found = [(f"attention.{name}", size) for name, size in heads if layer["heads"]]
    pairs = pairwise([d, *layer["d_mlp"], d] if layer["d_mlp"] else [])
    return found + [(f"mlp.weights.{j}", (out, into)) for j, (into, out) in enumerate(pairs)]


def layer_parts(weights: dict[str, np.ndarray], i: int, layer: Any) -> Layer:
    """The heads of a stored layer, apart from each other, and its MLP."""
    depth = len(layer["d_mlp"]) + 1 if layer["d_mlp"] else 0
    mlp = [weights[f"layers.{i}.mlp.weights.{j}"] for j in range(depth)]
    if not layer["heads"]:
        return [], mlp
    query, key, value, output = (weights[f"layers.{i}.attention.{name}"] for name in PARTS)
    qk, v = np.cumsum(layer["heads"], axis=0)[:-1].T
    parts = np.split(query, qk), np.split(key, qk), np.split(value, v), np.split(output, v, axis=1)
    return list(zip(*parts, strict=True)), mlp
