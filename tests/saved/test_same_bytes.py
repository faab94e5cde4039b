"""The same model makes the same bytes, in every process."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from saved_models import FACTS, ROOT, contents

from constructions import (
    CATALOGUE,
    Codebook,
    FactTable,
    save,
    selector,
    superposition,
)

SAVES = """
import sys
from constructions import CATALOGUE, save
for name in ("selector", "superposition", "hybrid", "chain_of_thought"):
    entry = CATALOGUE[name]
    save(entry.build(entry.random_facts(5, 2, 1)), f"{sys.argv[1]}/{name}")
"""


def test_the_same_model_makes_the_same_bytes_in_every_process(monkeypatch, tmp_path):
    """This process has another PYTHONHASHSEED than the one it starts."""
    monkeypatch.undo()
    other = tmp_path / "other"
    other.mkdir()
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", SAVES, other], env=environment, check=True, cwd=tmp_path)
    for name in ("selector", "superposition", "hybrid", "chain_of_thought"):
        save(CATALOGUE[name].build(CATALOGUE[name].random_facts(5, 2, 1)), tmp_path / name)
        assert contents(tmp_path / name) == contents(other / name)


def test_the_manifest_lists_all_files_and_weights_have_no_metadata(tmp_path):
    save(selector(FACTS), tmp_path / "model")
    files = contents(tmp_path / "model")
    raw = files.pop("manifest.json")
    manifest = json.loads(raw)
    assert raw.decode("ascii") == json.dumps(manifest, sort_keys=True, indent=1) + "\n"
    assert manifest["files"] == {
        name: {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in files.items()
    }
    assert b"__metadata__" not in files["weights.safetensors"]
    assert (manifest["format"], manifest["builder"], manifest["dtype"]) == (
        4,
        "selector",
        "float32",
    )
    assert manifest["architecture"] == {
        "layers": [{"heads": [[0, 6]], "d_mlp": [6]}],
        "repeats": 1,
    }


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_files_get_the_permissions_that_the_user_asks_for(tmp_path):
    mask = os.umask(0o027)
    try:
        save(
            superposition(FactTable([[0, 0]]), codebooks=[Codebook(np.array([0, 1]))]),
            tmp_path / "model",
        )
    finally:
        os.umask(mask)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "model").iterdir()} == {0o640}
