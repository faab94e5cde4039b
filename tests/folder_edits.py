"""Edits of the files of a saved model, sealed again or not."""

import hashlib
import json

import torch
from safetensors.torch import save_file

from constructions.saved.manifest import canonical


def edit(path, change):
    """Change the manifest's object and write it as it is to be written."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    change(manifest)
    (path / "manifest.json").write_bytes(canonical(manifest))


def reseal(path):
    """Let the manifest have the sizes and digests that the files now have."""

    def listed(manifest):
        for name, entry in manifest["files"].items():
            raw = (path / name).read_bytes()
            entry.update(bytes=len(raw), sha256=hashlib.sha256(raw).hexdigest())

    edit(path, listed)


def rewrite(name, change):
    """A defect: other bytes in a file, with a manifest that fits them."""

    def defect(path):
        (path / name).write_bytes(change((path / name).read_bytes()))
        reseal(path)

    return defect


def in_manifest(*keys, value):
    """A defect: one value of the manifest."""

    def defect(path):
        def change(manifest):
            for key in keys[:-1]:
                manifest = manifest[key]
            manifest[keys[-1]] = value

        edit(path, change)

    return defect


def in_header(change, name="weights.safetensors"):
    """A defect: another header before the same data, with a manifest that fits."""

    def other(raw):
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        changed = change(header)
        text = (json.dumps(header) if changed is None else changed).encode()
        return len(text).to_bytes(8, "little") + text + raw[8 + length :]

    return rewrite(name, other)


def raw_manifest(change):
    return lambda path: (path / "manifest.json").write_bytes(
        change((path / "manifest.json").read_bytes())
    )


def without(*keys):
    def defect(path):
        def change(manifest):
            for key in keys[:-1]:
                manifest = manifest[key]
            del manifest[keys[-1]]

        edit(path, change)

    return defect


def huge_everywhere(path):
    """Manifest and header agree on ten million million hidden units."""
    wide = 10**13

    def change(manifest):
        manifest["architecture"]["layers"][0]["d_mlp"] = [wide]
        manifest["sizes"]["parameters"] += 2 * manifest["sizes"]["d_model"] * (wide - 6)

    edit(path, change)

    def shapes(header):
        header["layers.0.mlp.weights.0.weight"]["shape"][0] = wide
        header["layers.0.mlp.weights.1.weight"]["shape"][1] = wide

    in_header(shapes)(path)


def shifted(header):
    for entry in header.values():
        entry["data_offsets"] = [at + 4 for at in entry["data_offsets"]]


def with_codebooks(*books):
    """A defect: a file of codebooks, listed in the manifest."""

    def defect(path):
        tensors = {str(i): torch.tensor(book) for i, book in enumerate(books)}
        save_file(tensors, path / "codebooks.safetensors")
        in_manifest("files", "codebooks.safetensors", value={})(path)
        reseal(path)

    return defect


EMBEDDING = "embedding.weight"
HUGE = int("9" * 4300)
"""The largest integer that Python reads and writes; products of two are beyond."""
