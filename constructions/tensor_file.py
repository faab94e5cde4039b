"""Tensors in a file: safetensors, written by its library, and checked byte by byte before anything is allocated.

A file is 8 bytes with the length of its header, the header, a JSON object `{name: {dtype, shape, data_offsets}}`, and then
the data, little-endian, one tensor after the other. A `survey` reads it once, in pieces, whatever its size.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from constructions.errors import InputError

MOST_BYTES_OF_JSON = 100_000_000
_PIECE = 1 << 22
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4}


@dataclass(frozen=True)
class Stored:
    """What a header says of a tensor: dtype in the format's spelling, shape, and where its data begins and ends."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Summary:
    """What the data of a tensor are.

    Attributes:
        smallest, largest: the extreme entries; None if there is no entry, or one that is not an integer.
        sha256: of the raw bytes.
    """

    smallest: int | None
    largest: int | None
    sha256: str


@dataclass(frozen=True)
class Survey:
    """A whole file: its SHA-256, and a summary of each tensor."""

    sha256: str
    tensors: dict[str, Summary]


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write contiguous tensors; the file gets the permissions of its folder, without those to execute.

    A tensor that shares its storage with an earlier one (tied weights) is copied: the library refuses to write it twice.
    """
    storages: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if storage in storages and tensor.numel() else tensor
        storages.add(storage)
    save_file(apart, path)
    path.chmod(path.parent.stat().st_mode & 0o666)


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors that a file declares. Raises InputError unless it is well-formed and they cover the data exactly."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MOST_BYTES_OF_JSON):
            raise InputError(f"{path}: a header of {length:,} bytes cannot stand in a file of {size:,}")
        declared = parse_json(file.read(length), path)
    if not isinstance(declared, dict):
        raise InputError(f"{path}: the header is not a JSON object")
    header = {name: _stored(path, name, entry) for name, entry in declared.items()}
    at = 0
    for name, stored in sorted(header.items(), key=lambda item: (item[1].begin, item[1].end)):
        if stored.begin != at:
            raise InputError(f"{path}: the data of {name!r} begin at byte {stored.begin:,}, those before end at {at:,}")
        at = stored.end
    if at != size - 8 - length:
        raise InputError(f"{path}: the tensors have {at:,} bytes, the file has {size - 8 - length:,} for them")
    return header


def _stored(path: Path, name: str, entry: object) -> Stored:
    where = f"{path}: the header's entry {name!r}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise InputError(f"{where} is not an object of dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        raise InputError(f"{where} has the dtype {dtype!r}; one of {', '.join(_ITEM_BYTES)} is expected")
    for what, numbers in (("shape", shape), ("data_offsets", offsets)):
        if not isinstance(numbers, list) or not all(type(n) is int and n >= 0 for n in numbers):
            raise InputError(f"{where} has the {what} {numbers!r}; a list of counts is expected")
    expected = math.prod(shape) * _ITEM_BYTES[dtype]
    if len(offsets) != 2 or offsets[1] - offsets[0] != expected:
        raise InputError(f"{where} has the data_offsets {offsets}; {dtype} of shape {shape} needs {expected:,} bytes")
    return Stored(dtype, tuple(shape), *offsets)


def survey(path: Path) -> Survey:
    """Read a whole file once, in pieces of a few megabytes. Raises InputError as `read_header`."""
    header = read_header(path)
    whole = hashlib.sha256()
    tensors = {}
    with path.open("rb") as file:
        start = file.read(8)
        whole.update(start)
        whole.update(file.read(int.from_bytes(start, "little")))
        for name, stored in sorted(header.items(), key=lambda item: (item[1].begin, item[1].end)):
            own = hashlib.sha256()
            least, most, integral = math.inf, -math.inf, True
            for piece in _pieces(file, stored.end - stored.begin):
                whole.update(piece)
                own.update(piece)
                if integral:
                    values = _values(piece, stored.dtype)
                    with np.errstate(invalid="ignore"):  # NaN is no integer, and no reason to warn
                        low, high = float(values.min()), float(values.max())
                        integral = math.isfinite(low + high) and bool((np.trunc(values) == values).all())
                    least, most = min(least, low), max(most, high)
            known = integral and least <= most
            tensors[name] = Summary(int(least) if known else None, int(most) if known else None, own.hexdigest())
    return Survey(whole.hexdigest(), tensors)


def _pieces(file: BinaryIO, count: int) -> Iterator[bytes]:
    while count:
        piece = file.read(min(count, _PIECE))
        if not piece:
            raise InputError(f"{file.name}: ends {count:,} bytes too early")
        count -= len(piece)
        yield piece


def _values(piece: bytes, dtype: str) -> NDArray[Any]:
    if dtype == "BF16":
        return (np.frombuffer(piece, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(piece, f"<{dtype[0].lower()}{_ITEM_BYTES[dtype]}")


def format_name(dtype: torch.dtype) -> str:
    """The format's spelling of a floating torch dtype: F32 for float32. Raises InputError for one that is not stored."""
    names = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    if dtype not in names:
        raise InputError(f"weights are stored as {', '.join(map(str, names))}; these are {dtype}")
    return names[dtype]


def parse_json(raw: bytes, where: str | os.PathLike[str]) -> object:
    """JSON in UTF-8 without fractions. Raises InputError for anything else, also for a key that an object has twice."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"an object has the key {twice!r} twice")
        return dict(pairs)

    def refuse(number: str) -> None:
        raise ValueError(f"{number} is no integer")

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: cannot be read as JSON: {error}") from None
