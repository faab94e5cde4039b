"""A saved model that is changed in memory: its files, and a manifest that lists them as they
are.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from constructions.entry import Construction
from constructions.facts.table import FactTable
from constructions.facts.tsv import fact_lines
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.set_model import require_paths
from constructions.saved.folder import load
from constructions.saved.manifest import canonical
from constructions.saved.weight_files import INDEX

Files = dict[str, bytes]
WEIGHTS, CERTIFICATE, MANIFEST = "weights.safetensors", "certificate.json", "manifest.json"


class Target:
    """A model folder in memory, and the model that it makes."""

    def __init__(self, folder: Path, own: Construction | None = None):
        self.model = load(folder, own)
        require_paths(self.model, "attacks are made")
        self.spare = copy.deepcopy(self.model)
        self.facts = self.model.facts
        if (folder / INDEX).exists():
            raise InputError(
                f"{folder}: is in shards, and attacks are made on one file of weights: save it"
                " without them, save(load(folder), 'other')"
            )
        self.files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        self.facts_file = "facts.tsv" if "facts.tsv" in self.files else "facts.safetensors"

    def with_files(self, changed: Files) -> Files:
        """The folder with some files changed, and a manifest that lists them as they are."""
        files = self.files | changed
        manifest = json.loads(files[MANIFEST])
        for name in manifest["files"]:
            manifest["files"][name] = {
                "bytes": len(files[name]),
                "sha256": hashlib.sha256(files[name]).hexdigest(),
            }
        return files | {MANIFEST: canonical(manifest)}

    def with_weights(self, weights: dict[str, torch.Tensor]) -> tuple[Files, FactModel]:
        """The folder with other weights, and the model that has them."""
        self.spare.load_state_dict(weights)
        return self.with_files({WEIGHTS: safetensors.torch.save(weights)}), self.spare

    def with_facts(self, answers: np.ndarray) -> tuple[Files, FactTable]:
        """The folder with other facts."""
        facts = FactTable(answers, self.facts.entity_names, self.facts.relation_names)
        if self.facts_file != "facts.tsv":
            data = safetensors.torch.save({"facts": torch.from_numpy(answers.astype(np.int32))})
        else:
            data = "".join(fact_lines(facts)).encode()
        return self.with_files({self.facts_file: data}), facts
