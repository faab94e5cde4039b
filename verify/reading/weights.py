"""The weights of a folder: in one file, or in shards, of which an index says which tensor is
where, as Hugging Face writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from verify.kernel.verdict import require
from verify.reading.stored import read_json, read_tensors
from verify.reading.wording import shown

WEIGHTS = "weights.safetensors"
INDEX = "model.safetensors.index.json"
SHARD = re.compile(r"model-([0-9]{5})-of-([0-9]{5})\.safetensors")


def is_weight_file(name: str) -> bool:
    """Whether a file of this name holds weights, or says where they are."""
    return name in (WEIGHTS, INDEX) or SHARD.fullmatch(name) is not None


def weight_files(names: Collection[str]) -> list[str]:
    """Those files that hold weights, in order."""
    return sorted(name for name in names if name == WEIGHTS or SHARD.fullmatch(name))


def require_weight_files(names: Collection[str]) -> None:
    """There is one file of weights, or an index and all its shards."""
    found = weight_files(names)
    require(found, f"the folder holds no {WEIGHTS}; every model has one, or shards")
    if INDEX not in names:
        require(found == [WEIGHTS], f"the folder holds {found[0]}, but no {INDEX}")
        return
    require(WEIGHTS not in names, f"the folder holds {WEIGHTS}, and also {INDEX}")
    count = int(found[0][-17:-12])
    wanted = [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]
    missing, others = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    require(not missing, f"the folder holds no {missing[:1]}, and {found[0]} is one of {count}")
    require(not others, f"the folder holds {others[:1]}, and {found[0]} is one of {count}")


def read_weights(files: Mapping[str, Any]) -> dict[str, tuple[str, np.ndarray]]:
    """All tensors, name to (dtype, array), each of which is stored once, where the index says."""
    found: dict[str, tuple[str, np.ndarray]] = {}
    places: dict[str, str] = {}
    for file in weight_files(files):
        for name, tensor in read_tensors(files[file], file).items():
            twice = f"{file}: holds {shown(name)}, and so does {places.get(name)}"
            require(name not in found, twice)
            found[name], places[name] = tensor, file
    if INDEX in files:
        _require_index(read_json(files[INDEX], INDEX), places, found)
    return found


def joined(files: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same files with all shards in one file of weights: for the kernel, which reads that. Of
    a folder without shards nothing is copied.
    """
    if INDEX not in files:
        return files
    header, parts, at = {}, [], 0
    for name, (dtype, tensor) in read_weights(files).items():
        offsets = [at, at := at + tensor.nbytes]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": offsets}
        parts.append(tensor.tobytes())
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    whole = b"".join([len(text).to_bytes(8, "little"), text, *parts])
    others = {name: raw for name, raw in files.items() if not is_weight_file(name)}
    return others | {WEIGHTS: whole}


def _require_index(
    index: Any, places: Mapping[str, str], found: Mapping[str, tuple[str, np.ndarray]]
) -> None:
    """The index says of every tensor where it is, and how many bytes they are together."""
    keys = type(index) is dict and set(index) == {"metadata", "weight_map"}
    require(keys, f"{INDEX}: is not an object of metadata and weight_map")
    says, metadata = index["weight_map"], index["metadata"]
    require(type(says) is dict, f"{INDEX}: weight_map is {shown(says)}, not an object")
    for name in sorted({*says, *places}):
        one, other = says.get(name, "no file"), places.get(name, "no file")
        wrong = f"{INDEX}: {shown(name)} is in {shown(one)}, says weight_map, and it is in {other}"
        require(one == other, wrong)
    total = sum(tensor.nbytes for _, tensor in found.values())
    wrong = f"{INDEX}: metadata is {shown(metadata)}; the tensors have a total_size of {total}"
    require(metadata == {"total_size": total} and type(metadata["total_size"]) is int, wrong)
