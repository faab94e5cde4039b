"""The weights of a model in files: `weights.safetensors`, or shards with an index, named and
written as Hugging Face writes them.

| file | holds |
|---|---|
| `model-00001-of-00003.safetensors`, ... | some tensors each, whole ones |
| `model.safetensors.index.json` | `weight_map`, the file of each tensor; `metadata`, with |
| | the bytes of all tensors as `total_size` |

Tensors go to files by their names in order: to the next file where the one before would have more
than the most bytes of a shard. A tensor that has more alone has a file alone.

Every tensor is written in blocks that follow each other, each of which is hashed while it is at
hand. So nothing is read again for the manifest, and a table that no memory holds is written as it
is made. The bytes are those that the library safetensors writes, which reads them.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.guards.errors import InputError, InternalError
from constructions.saved.json_text import parse_json, shown
from constructions.saved.schema import COUNT, TEXT, Each, require_schema
from constructions.saved.tensor_file import FORMAT_NAMES, Declared, format_name, read_header

WEIGHTS = "weights.safetensors"
INDEX = "model.safetensors.index.json"
SHARD = re.compile(r"model-([0-9]{5})-of-([0-9]{5})\.safetensors")
MOST_SHARDS = 99_999
DTYPE_NAMES = {name: dtype for dtype, name in FORMAT_NAMES.items()}
NUMBERS_AT_ONCE = 2**21
"""Of a tensor in memory that are written together."""
_INDEX_SCHEMA = {"metadata": {"total_size": COUNT}, "weight_map": Each(TEXT)}


@dataclass(frozen=True)
class Blocks:
    """A tensor that is written some of its numbers at a time.

    Attributes:
        dtype, shape: of the whole.
        parts: on the CPU and contiguous, one after the other.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    parts: Iterable[Tensor]

    @classmethod
    def of(cls, tensor: Tensor) -> Blocks:
        """Of a tensor in memory."""
        parts = torch.split(tensor.reshape(-1), NUMBERS_AT_ONCE)
        return cls(tensor.dtype, tuple(tensor.shape), parts)

    @property
    def bytes(self) -> int:
        """Of the whole."""
        return self.dtype.itemsize * int(torch.Size(self.shape).numel())


class Stored(NamedTuple):
    """Where a tensor is stored, and what the header there says of it."""

    path: Path
    declared: Declared


# -------------------------------------------------------------------- writing


def write_weights(
    folder: Path, weights: Mapping[str, Blocks], shard_bytes: int | None = None
) -> dict[str, str]:
    """Write all weights into a folder that has none.

    Args:
        folder: where.
        weights: all of one dtype, by name.
        shard_bytes: of a shard at most, but for one that holds a single larger tensor; None, or
            where all have no more, for a single file.

    Returns:
        The SHA-256 of every file that was written, by its name.

    Raises:
        InputError: there are more shards than file names can count.
    """
    groups = _grouped({name: weights[name].bytes for name in sorted(weights)}, shard_bytes)
    if len(groups) == 1:
        return {WEIGHTS: _write(folder / WEIGHTS, weights)}
    if len(groups) > MOST_SHARDS:
        raise InputError(
            f"shards of {shard_bytes:,} bytes are {len(groups):,} files; at most {MOST_SHARDS:,}"
            " are written: give more bytes"
        )
    digests: dict[str, str] = {}
    places: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        file = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        digests[file] = _write(folder / file, {name: weights[name] for name in group})
        places |= dict.fromkeys(group, file)
    text = index_text(places, sum(one.bytes for one in weights.values()))
    (folder / INDEX).write_bytes(text)
    return digests | {INDEX: hashlib.sha256(text).hexdigest()}


def _grouped(sizes: Mapping[str, int], most: int | None) -> list[list[str]]:
    """The names of the tensors of each file, in the way of Hugging Face."""
    groups: list[list[str]] = [[]]
    held = 0
    for name, size in sizes.items():
        if most is not None and groups[-1] and held + size > most:
            groups.append([])
            held = 0
        groups[-1].append(name)
        held += size
    return groups


def index_text(places: Mapping[str, str], total_size: int) -> bytes:
    """The index of shards, as Hugging Face writes it."""
    index = {"metadata": {"total_size": total_size}, "weight_map": dict(places)}
    return (json.dumps(index, indent=2, sort_keys=True) + "\n").encode()


def _write(path: Path, tensors: Mapping[str, Blocks]) -> str:
    """Write a safetensors file, as the library does; returns its SHA-256. It gets the permissions
    of its folder, without those to execute.
    """
    header, at = {}, 0
    for name in sorted(tensors):
        one = tensors[name]
        offsets = [at, at := at + one.bytes]
        declared = {"dtype": format_name(one.dtype), "shape": list(one.shape)}
        header[name] = declared | {"data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb", buffering=0) as file:
        path.chmod(path.parent.stat().st_mode & 0o666)
        file.write(len(text).to_bytes(8, "little") + text)
        digest = hashlib.sha256(len(text).to_bytes(8, "little") + text)
        _write_data(file, digest, (tensors[name] for name in sorted(tensors)))
        if file.tell() != 8 + len(text) + at:
            raise InternalError(
                f"{path}: the tensors have not as many numbers as their shapes say"
            )
    return digest.hexdigest()


def _write_data(file: IO[bytes], digest: Any, tensors: Iterable[Blocks]) -> None:
    """Write and hash all numbers: a block while the next one is made."""

    def put(data: memoryview) -> None:
        """Write and hash some bytes."""
        digest.update(data)
        while data:
            data = data[file.write(data) :]

    with ThreadPoolExecutor(1) as beside:
        last: Future[None] | None = None
        for one in tensors:
            for part in one.parts:
                if part.dtype != one.dtype:
                    raise InternalError(f"a block of {part.dtype} of a tensor of {one.dtype}")
                if not part.numel():
                    continue
                data = part.detach().reshape(-1).view(torch.uint8).numpy().data
                if last is not None:
                    last.result()
                last = beside.submit(put, data)
        if last is not None:
            last.result()


# -------------------------------------------------------------------- reading


def weight_files(names: Collection[str]) -> list[str]:
    """Those files of a folder that hold weights, in order."""
    shards = sorted(name for name in names if SHARD.fullmatch(name))
    return [WEIGHTS] * (WEIGHTS in names) + shards


def is_weight_file(name: str) -> bool:
    """Whether a file of this name holds weights, or says where they are."""
    return name in (WEIGHTS, INDEX) or SHARD.fullmatch(name) is not None


def require_weight_files(names: Collection[str], where: Path) -> None:
    """Raise InputError unless these are the names of one file of weights, or of an index and of
    all its shards.

    Args:
        names: all files that are listed.
        where: the file that lists them.
    """
    found = [name for name in weight_files(names) if name != WEIGHTS]
    if WEIGHTS in names:
        if more := sorted({*found, *({INDEX} & set(names))}):
            raise InputError(
                f"{where}: lists {WEIGHTS} and also {more[0]}; one of both is expected"
            )
        return
    if not found and INDEX not in names:
        raise InputError(f"{where}: lists no {WEIGHTS}; every model has one, or shards")
    if INDEX not in names:
        raise InputError(f"{where}: lists the shard {found[0]}, but no {INDEX}")
    if not found:
        raise InputError(f"{where}: lists {INDEX}, but no shard")
    count = int(found[0][-len("00001.safetensors") : -len(".safetensors")])
    expected = [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]
    for name in sorted({*expected} ^ {*found})[:1]:
        raise InputError(
            f"{where}: lists {name}, and {found[0]} is one of {count}"
            if name in found
            else f"{where}: lists no {name}, and {found[0]} is one of {count}"
        )


def read_weight_headers(folder: Path, names: Collection[str]) -> dict[str, Stored]:
    """Where each tensor of the weights is stored, by its name; of the data nothing is read.

    Args:
        folder: of a model.
        names: its files, which `require_weight_files` takes.

    Raises:
        InputError: a file is not as `save` writes it; or the index says something else than the
            shards.
    """
    found: dict[str, Stored] = {}
    for file in weight_files(names):
        for name, declared in read_header(folder / file).items():
            if name in found:
                raise InputError(
                    f"{folder / file}: holds the tensor {shown(name)}, and so does"
                    f" {found[name].path.name}; each is stored once"
                )
            found[name] = Stored(folder / file, declared)
    if INDEX in names:
        _require_index(folder / INDEX, found)
    return found


class Mapped(NamedTuple):
    """A tensor in a file that is mapped for reading: its bytes, its dtype and its shape."""

    raw: NDArray[np.uint8]
    dtype: torch.dtype
    shape: tuple[int, ...]

    def tensor(self) -> Tensor:
        """The same as a tensor, which cannot be written."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            return torch.from_numpy(self.raw).view(self.dtype).reshape(self.shape)


def mapped_weights(folder: Path, names: Collection[str]) -> dict[str, Mapped]:
    """All tensors of the weights, mapped for reading: of the data nothing is read before it is
    looked at, and nothing is held that the system could not read again.

    Args:
        folder, names: see `read_weight_headers`, which takes them.
    """
    found: dict[str, Mapped] = {}
    for path in {one.path for one in read_weight_headers(folder, names).values()}:
        data = np.memmap(path, np.uint8, "r")
        begin = 8 + int.from_bytes(data[:8].tobytes(), "little")
        header: Any = parse_json(data[8:begin].tobytes(), path)
        for name, entry in header.items():
            start, stop = entry["data_offsets"]
            raw = data[begin + start : begin + stop]
            found[name] = Mapped(raw, DTYPE_NAMES[entry["dtype"]], tuple(entry["shape"]))
    return found


def _require_index(path: Path, found: Mapping[str, Stored]) -> None:
    """Raise InputError unless the index says of all tensors where they are."""
    raw = path.read_bytes()
    index: Any = parse_json(raw, path)
    try:
        require_schema(index, _INDEX_SCHEMA)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    places, total = index["weight_map"], index["metadata"]["total_size"]
    for name in sorted({*places, *found}):
        says, is_in = places.get(name, "no file"), found.get(name)
        holds = "no file" if is_in is None else is_in.path.name
        if says != holds:
            raise InputError(
                f"{path}: the tensor {shown(name)} is in {shown(says)}, says weight_map, and it is"
                f" in {holds}"
            )
    stored = sum(one.path.stat().st_size for one in _once(found))
    headers = sum(8 + _header_length(one.path) for one in _once(found))
    if total != stored - headers:
        raise InputError(
            f"{path}: metadata.total_size is {total:,}, and the tensors have"
            f" {stored - headers:,} bytes"
        )
    if raw != index_text(places, total):
        raise InputError(
            f"{path}: is not written as it was saved: keys in order, two spaces for each level"
        )


def _once(found: Mapping[str, Stored]) -> Iterator[Stored]:
    """One tensor of each file."""
    yield from {one.path: one for one in found.values()}.values()


def _header_length(path: Path) -> int:
    """The bytes of the header of a file."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(8), "little")
