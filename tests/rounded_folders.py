"""Folders of rounded trained models as files in memory, to be proven or forged."""

import hashlib
import json
from pathlib import Path

from constructions.learning.rounded_folder import save_rounded
from verify.checking.check import check_files


def folder_of(model, facts, place):
    """The files of the folder of a model, by name."""
    place = Path(place) / "folder"
    place.parent.mkdir(exist_ok=True)
    save_rounded(model, facts, place)
    return {path.name: path.read_bytes() for path in place.iterdir()}


def verdict(files):
    """What the checker says of them."""
    return check_files(files)


def sealed(files, **changes):
    """The files with a manifest that fits them: as a forger would write it. `changes` are keys of
    the manifest.
    """
    manifest = json.loads(files["manifest.json"]) | changes
    manifest["files"] = {
        name: {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in files.items()
        if name != "manifest.json"
    }
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    digest = hashlib.sha256(text(body)).hexdigest()
    return files | {"manifest.json": text(body | {"sha256": digest})}


def text(value):
    """JSON as folders have it."""
    return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode()
