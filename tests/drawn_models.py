"""Random small models with a certificate, for attacks on checkers: those of the catalogue, and
memories of codes of one's own. All are right.
"""

import contextlib
import copy
import functools
import json
from dataclasses import dataclass

import numpy as np
from hand_made import assembled, built, claims_of, files_of, weights_of

from constructions import CATALOGUE


@dataclass
class Drawn:
    """A model as numbers; `claims` are those after the task."""

    facts: np.ndarray
    hops: int
    weights: dict
    layers: list
    claims: list
    repeats: int = 1
    per_token: int = 0
    dtype: str = "float32"
    changes: tuple = ()

    def files(self):
        """The files of the folder."""
        claims = copy.deepcopy(self.claims)
        return assembled(self.facts, self.hops, self.weights, self.layers, claims, self.dtype,
                         self.repeats, self.per_token)  # fmt: skip

    @property
    def width(self):
        return self.weights["embedding.weight"].shape[1]

    def attention(self, i, part):
        return f"layers.{i}.attention.{part}.weight"


OPTIONS = {"chain_of_thought": [{"hops_per_token": 1}, {"hops_per_token": 2}]}


@functools.cache
def of_the_catalogue(name, n, n_relations, hops, partial, seed, option):
    """A model of the catalogue."""
    given = OPTIONS[name][option % len(OPTIONS[name])] if name in OPTIONS else None
    model = built(name, n, n_relations, hops, partial, seed, given)
    files = files_of(model)
    manifest, claims = json.loads(files["manifest.json"]), claims_of(files)
    facts = np.asarray(model.facts.answers).copy()
    if facts.shape[1] != n:
        raise ValueError("other facts")
    return Drawn(
        facts, manifest["sizes"]["hops"], weights_of(files), manifest["architecture"]["layers"],
        claims[1:], manifest["architecture"]["repeats"], claims[0]["hops_per_token"],
        manifest["dtype"], (name,),
    )  # fmt: skip


def drawn_of_the_catalogue(rng):
    """A random model of the catalogue, a copy."""
    names = list(CATALOGUE)
    while True:
        name = names[rng.integers(len(names))]
        sizes = int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
        try:
            drawn = of_the_catalogue(
                name, *sizes, bool(rng.random() < 0.3), int(rng.integers(3)), int(rng.integers(2))
            )
        except Exception:  # sizes at which the construction does not exist
            continue
        return copy.deepcopy(drawn)


def chains(rng):
    """A chain of thought."""
    n, n_relations, hops = (int(rng.integers(1, high)) for high in (5, 3, 4))
    seed, option = int(rng.integers(3)), int(rng.integers(2))
    partial = bool(rng.random() < 0.5)
    while True:
        with contextlib.suppress(Exception):  # sizes at which the construction does not exist
            name = "chain_of_thought"
            return copy.deepcopy(
                of_the_catalogue(name, n, n_relations, hops, partial, seed, option)
            )
        option, hops = 0, max(2, hops)


def codes(rng, n, kind):
    """Distinct codes of n tokens, such that a code's product with itself is its largest."""
    low, high = {"bits": (0, 2), "signs": (-1, 2), "ternary": (-1, 2), "integers": (-3, 4)}[kind]
    tries = 0
    while True:
        tries += 1
        width = 1 + tries // 30
        found = rng.integers(low, high, (n, width))
        if kind == "signs":
            found = 2 * rng.integers(0, 2, (n, width)) - 1
        products = found @ found.T
        if (products - np.diag(products)[:, None])[~np.eye(n, dtype=bool)].max(initial=-1) < 0:
            return found


class Memory:
    """A memory for each hop: a unit for each fact, which sees the code of the node and a letter,
    and writes the difference of two codes. Heads copy the subject's code and the letters.

    In the stream stand 1; columns of the positions; the letter; the state; for each hop the letter
    that is asked for; noise; and two columns for keys on a parabola.
    """

    def __init__(self, rng):
        self.rng = rng
        self.n, self.r, self.hops = (int(rng.integers(1, high)) for high in (5, 4, 4))
        self.facts = rng.integers(0, self.n, (self.r, self.n))
        if rng.random() < 0.4:
            self.facts[rng.random(self.facts.shape) < 0.3] = -1
        self.partial = bool((self.facts < 0).any())
        self.kind = ["bits", "signs", "ternary", "integers"][rng.integers(4)]
        self.code = codes(rng, self.n + 1, self.kind)  # the last one is that of *unknown*
        self.norms = (self.code**2).sum(1)
        self.place, self.relation = 1, 2 + self.hops
        start = self.relation + self.r
        self.state = slice(start, start + self.code.shape[1])
        self.asked = self.state.stop + self.r * np.arange(self.hops)
        self.d = int(self.state.stop + self.r * self.hops + rng.integers(0, 3) + 2)
        self.gain = int(rng.choice([1024, 1024, 512, 30, 12, 7]))
        self.parabola = int(rng.choice([0, 0, 1, 2, 3, 5, 8, 24]))
        self.uniform, self.split = rng.random() < 0.2, rng.random() < 0.3
        self.eye = np.eye(self.d)
        self.layers, self.claims, self.weights = [], [], {}

    def tables(self):
        """Embedding, positions and unembedding."""
        n, vocabulary = self.n, self.n + self.r + 1
        embedding, unembedding = np.zeros((2, vocabulary, self.d))
        embedding[:n, self.state] = self.code[:n]
        embedding[n:-1, self.relation : self.relation + self.r] = np.eye(self.r)
        unembedding[:, 0] = -20 - 3 * self.norms.max() - 2 * abs(self.code @ self.code.T).max()
        tokens = [*range(n), *[vocabulary - 1] * self.partial]
        coded = np.array([*range(n), *[n] * self.partial])
        unembedding[tokens, self.state], unembedding[tokens, 0] = 0, -self.norms[coded]
        unembedding[tokens, self.state] = 2 * self.code[coded]
        if self.partial:
            embedding[-1, self.state] = self.code[n]
        position, squares = np.zeros((self.hops + 1, self.d)), np.arange(self.hops + 1)
        position[:, 0], position[:, self.place : self.relation] = 1, np.eye(self.hops + 1)
        position[:, -2:] = np.stack([squares, squares**2], 1) * self.parabola
        self.weights |= {"embedding.weight": embedding, "positions.weight": position,
                         "unembedding.weight": unembedding}  # fmt: skip

    def heads(self, i, hop):
        """Heads of the stored layer i that copy what a hop needs."""
        eye, state = self.eye, range(self.state.start, self.state.stop)
        letter = [(self.relation + a, self.asked[hop] + a) for a in range(self.r)]
        copied = [(0, [(c, c) for c in state])] if hop == 0 else []
        query, key, pairs, shape, by = [], [], [], [], []
        for at, columns in [*copied, (hop + 1, letter)]:
            everywhere = (
                self.uniform and hop == 0 and at == 0
            )  # only the first position has a code
            if everywhere:
                asks, has = [], []
            elif self.parabola:  # keys (p, p^2) of position p, times a number
                asks, has = [2 * at * eye[0], -eye[0]], [eye[-2], eye[-1]]
            else:
                asks, has = [eye[0]], [eye[self.place + at]]
            query, key, pairs = query + asks, key + has, pairs + columns
            shape.append([len(asks), len(columns)])
            by += [self.hops + 1 if everywhere else 1] * len(columns)
        parts = {
            "query": np.array(query).reshape(-1, self.d) * self.gain,
            "key": np.array(key).reshape(-1, self.d),
            "value": np.array([eye[a] for a, _ in pairs]),
            "output": np.array([eye[b] * more for (_, b), more in zip(pairs, by, strict=True)]).T,
        }
        for part, w in parts.items():
            self.weights[f"layers.{i}.attention.{part}.weight"] = w
        return shape

    def units(self, i, hop):
        """Units of the stored layer i that follow a hop."""
        facts = [(e, a) for e in range(self.n) for a in range(self.r)]
        most = int(abs(self.code @ self.code.T).max() + self.norms.max() + 2)
        reads, writes = np.zeros((len(facts), self.d)), np.zeros((self.d, len(facts)))
        for u, (e, a) in enumerate(facts):
            reads[u, self.state], reads[u, 0] = self.code[e], 1 - self.norms[e] - most
            reads[u, self.asked[hop] + a] = most
            writes[self.state, u] = self.code[self.facts[a, e]] - self.code[e]
        self.weights[f"layers.{i}.mlp.weights.0.weight"] = reads
        self.weights[f"layers.{i}.mlp.weights.1.weight"] = writes
        return [len(facts)]

    def claim(self, letters, keeps):
        run = {"claim": "pass", "step": 1, "left": self.hops, "layer": len(self.layers)}
        self.claims.append(run | {"letters": letters, "keeps": keeps})

    def built(self):
        """The model, whose heads and units stand in layers of their own if `split`."""
        rng, block = self.rng, {"columns": [self.state.start, self.state.stop]}
        number = None
        if spelled := self.kind in ("bits", "signs") and rng.random() < 0.7:
            block |= {"words": 0, "last": [0, self.r], "form": self.kind, "book": 0}
            number = int(sum((int(b) > 0) << i for i, b in enumerate(self.code[-1])))
        unknown = [number if self.partial else None] if spelled else []
        self.claims.append({"claim": "subject", "blocks": [block], "unknown": unknown})
        self.tables()
        for hop in range(self.hops):
            early = bool(self.split and rng.random() < 0.5)
            shape = self.heads(len(self.layers), hop)
            self.layers.append({"heads": shape, "d_mlp": []})
            if self.split:
                self.claim([hop + 1] if early else [], None)
                self.layers.append({"heads": [], "d_mlp": []})
            self.layers[-1]["d_mlp"] = self.units(len(self.layers) - 1, hop)
            self.claim([] if early else [hop + 1], [block])
        dtype = ["float32", "float32", "float64", "float16", "bfloat16"][rng.integers(5)]
        return Drawn(self.facts, self.hops, self.weights, self.layers, self.claims, dtype=dtype,
                     changes=("memory", self.kind))  # fmt: skip


def memory(rng):
    """A random memory."""
    return Memory(rng).built()
