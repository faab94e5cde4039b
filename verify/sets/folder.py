"""What is read of the folder of a model that writes sets of answers, and what the kernel sees of
it at each token that is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from verify.kernel.folder import (
    DTYPES,
    MOST_NUMBERS,
    Model,
    integers,
    layer_parts,
    layer_shapes,
    read_tensors,
)
from verify.kernel.verdict import Undecided, require, whole
from verify.reading.stored import read_sets, read_vocabulary


def step_tables(facts: np.ndarray, n: int, r: int) -> np.ndarray:
    """For each written token i = 1, 2, ... what it should be, int (steps, R, N + 1): the i-th
    answer of a subject to a relation, in the order of the ids; N, which stands for END, behind the
    last one; and N + 1 where END has been written before.

    Args:
        facts: (facts, 3), subject, relation and object of each, in this order, once.
        n, r: N and R.
    """
    subjects, letters, answers = facts.T
    sizes = np.zeros((r, n + 1), int)
    np.add.at(sizes, (letters, subjects), 1)
    steps = int(sizes.max()) + 1
    held = steps * sizes.size
    require(held <= MOST_NUMBERS, f"a table of {held:,} answers is not held", Undecided)
    step = np.arange(steps)[:, None, None]
    tables = np.where(step == sizes, n, n + 1)
    pairs, begins = subjects * r + letters, np.zeros(n * r + 1, int)
    np.add.at(begins, pairs + 1, 1)
    place = np.arange(len(facts)) - np.cumsum(begins)[pairs]
    tables[place, letters, subjects] = answers
    return tables


class SetFolder:
    """The model of a folder and its sets. All weights are integers in float64.

    Attributes:
        n, r, dtype, embedding, unembedding, positions, layers: as `verify.kernel.folder.Model` has
            them.
        tables: see `step_tables`.
    """

    def __init__(self, files: Mapping[str, Any], manifest: Any):
        """Raises Refuted where the files are not those of the architecture (Lemma K1)."""
        sizes, stored, specials = manifest["sizes"], manifest["architecture"], manifest["specials"]
        self.n, self.r = (whole(sizes[name], 1, name) for name in ("entities", "relations"))
        self.dtype, d = manifest["dtype"], whole(sizes["d_model"], 1, "d_model")
        require(specials == ["end"], "the special token of a model that writes sets is END")
        names = read_vocabulary(files["vocabulary.txt"], self.n, self.r, specials)
        facts = read_sets(files, names, self.n, self.r)
        self.tables = step_tables(facts, self.n, self.r)
        length = whole(sizes["positions"], 1, "positions")
        enough = length > len(self.tables)
        require(enough, f"{length} positions are too few to write {len(self.tables)} tokens")
        shapes = dict.fromkeys(("embedding", "unembedding"), (self.n + self.r + 1, d))
        shapes["positions"] = (length, d)
        for i, layer in enumerate(stored["layers"]):
            shapes |= {f"layers.{i}.{name}": size for name, size in layer_shapes(layer, d)}
        tensors = read_tensors(files["weights.safetensors"])
        found = {name: (dtype, tensor.shape) for name, (dtype, tensor) in tensors.items()}
        wanted = {f"{name}.weight": (DTYPES[self.dtype], shapes[name]) for name in shapes}
        require(found == wanted, f"weights.safetensors holds {found}, not {wanted}")
        weights = {name: integers(tensors[f"{name}.weight"][1], name) for name in shapes}
        self.embedding, self.unembedding = weights["embedding"], weights["unembedding"]
        self.positions = weights["positions"]
        layers = [layer_parts(weights, i, layer) for i, layer in enumerate(stored["layers"])]
        self.layers = layers * stored["repeats"]


class Step(Model):
    """What the kernel sees of the model at one written token: a table of functions of one hop,
    whose prompt is the subject, the relation, and any entities, which were written before.

    Attributes: as of `Model`.
    """

    def __init__(self, folder: SetFolder, step: int):
        """The token `step`, from 1."""
        self.n, self.r, self.hops, self.per_token = folder.n, folder.r, 1, 0
        self.nodes, self.dtype, self.written = folder.n + 1, folder.dtype, step - 1
        self.embedding, self.unembedding = folder.embedding, folder.unembedding
        self.positions, self.layers = folder.positions, folder.layers
        self.facts = folder.tables[step - 1]
        entity, letter, _ = np.split(self.embedding, [self.n, self.n + self.r])
        self.rows = {"entity": entity, "letter": letter}

    def ways(self, length: int) -> np.ndarray:
        """How many relations are asked of each node: those of which END has not been written
        before.
        """
        return np.asarray((self.facts < self.nodes).sum(axis=0).astype(object))

    def kinds(self, step: int, left: int) -> list[str]:
        """What each position up to the deciding one may hold (Lemma K2)."""
        return ["entity", "letter", *["entity"] * self.written]
