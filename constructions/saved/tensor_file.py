"""Tensors in a file: safetensors, written by its library, and checked byte by byte before anything
is allocated.

A file is 8 bytes with the length of its header, the header, a JSON object `{name: {dtype, shape,
data_offsets}}`, and then the data, little-endian, one tensor after the other. A `survey` reads it
once, in pieces, whatever its size.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from constructions.guards.errors import InputError

MOST_BYTES_OF_JSON = 100_000_000
_MOST_AXES = 64
_PIECE = 1 << 22
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4}


@dataclass(frozen=True)
class Stored:
    """What a header says of a tensor: dtype in the format's spelling, shape, and where its data
    begins and ends.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Summary:
    """What the data of a tensor are, as a manifest has it.

    Attributes:
        dtype, shape: see `Stored`.
        smallest, largest: the extreme entries; None if there is no entry, or one that is not an
            integer.
        sha256: of the raw bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    smallest: int | None
    largest: int | None
    sha256: str

    def listed(self) -> dict[str, Any]:
        """The entry of a manifest."""
        return {**asdict(self), "shape": list(self.shape)}


@dataclass(frozen=True)
class Survey:
    """A whole file: its SHA-256, and a summary of each tensor."""

    sha256: str
    tensors: dict[str, Summary]


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write contiguous tensors; the file gets the permissions of its folder, without those to
    execute.

    A tensor that shares its storage with an earlier one (tied weights) is copied: the library
    refuses to write it twice.
    """
    storages: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if storage in storages and tensor.numel() else tensor
        storages.add(storage)
    save_file(apart, path)
    path.chmod(path.parent.stat().st_mode & 0o666)


def read_header(source: Path | bytes) -> dict[str, Stored]:
    """The tensors that a file, or its bytes, declare.

    Raises:
        InputError: the header is not well-formed, or its tensors do not cover the data exactly.
    """
    path = source if isinstance(source, Path) else "the bytes"
    with _opened(source) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MOST_BYTES_OF_JSON):
            raise InputError(
                f"{path}: a header of {length:,} bytes cannot stand in a file of {size:,}"
            )
        text = file.read(length)
    declared = parse_json(text, path)
    if not isinstance(declared, dict) or text[:1] != b"{":
        raise InputError(f"{path}: the header is not a JSON object, or something stands before it")
    if "__metadata__" in declared:
        raise InputError(
            f"{path}: another tool has written it: its header has __metadata__, which `save` does"
            " not write; read these weights with safetensors, put them into the model with"
            " load_state_dict, and save that"
        )
    header = {name: _stored(path, name, entry) for name, entry in declared.items()}
    at = 0
    for name, stored in sorted(header.items(), key=lambda item: (item[1].begin, item[1].end)):
        if stored.begin != at:
            raise InputError(
                f"{path}: the data of {shown(name)} begin at byte {stored.begin:,}, those before"
                f" end at {at:,}"
            )
        at = stored.end
    if at != size - 8 - length:
        raise InputError(
            f"{path}: the tensors have {at:,} bytes, the file has {size - 8 - length:,} for them"
        )
    return header


def _opened(source: Path | bytes) -> BinaryIO:
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)


def _stored(path: Path | str, name: str, entry: object) -> Stored:
    where = f"{path}: the header's entry {shown(name)}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise InputError(f"{where} is not an object of dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        raise InputError(
            f"{where} has the dtype {shown(dtype)}; one of {', '.join(_ITEM_BYTES)} is expected"
        )
    for what, numbers in (("shape", shape), ("data_offsets", offsets)):
        if (
            not isinstance(numbers, list)
            or len(numbers) > _MOST_AXES
            or not all(map(is_count, numbers))
        ):
            raise InputError(
                f"{where} has the {what} {shown(numbers)}; a list of counts is expected, of up to"
                f" {_MOST_AXES} below 10^60"
            )
    expected = math.prod(shape) * _ITEM_BYTES[dtype]
    if len(offsets) != 2 or offsets[1] - offsets[0] != expected:
        raise InputError(
            f"{where} has the data_offsets {shown(offsets)}; {dtype} of shape {shown(shape)} needs"
            f" {shortened(f'{expected:,}')} bytes"
        )
    return Stored(dtype, tuple(shape), *offsets)


def survey(source: Path | bytes) -> Survey:
    """Read a whole file, or its bytes, once, in pieces of a few megabytes. Raises InputError as
    `read_header`.
    """
    header = read_header(source)
    whole = hashlib.sha256()
    tensors = {}
    with _opened(source) as file:
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
                        finite = math.isfinite(low) and math.isfinite(high)
                        integral = finite and bool((np.trunc(values) == values).all())
                    least, most = min(least, low), max(most, high)
            known = integral and least <= most
            smallest, largest = (int(least), int(most)) if known else (None, None)
            tensors[name] = Summary(stored.dtype, stored.shape, smallest, largest, own.hexdigest())
    return Survey(whole.hexdigest(), tensors)


def _pieces(file: BinaryIO, count: int) -> Iterator[bytes]:
    while count:
        piece = file.read(min(count, _PIECE))
        if not piece:
            raise InputError(
                f"{getattr(file, 'name', 'the bytes')}: ends {count:,} bytes too early"
            )
        count -= len(piece)
        yield piece


def _values(piece: bytes, dtype: str) -> NDArray[Any]:
    if dtype == "BF16":
        return (np.frombuffer(piece, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(piece, f"<{dtype[0].lower()}{_ITEM_BYTES[dtype]}")


def format_name(dtype: torch.dtype) -> str:
    """The format's spelling of a floating torch dtype: F32 for float32. Raises InputError for one
    that is not stored.
    """
    names = {
        torch.float64: "F64",
        torch.float32: "F32",
        torch.float16: "F16",
        torch.bfloat16: "BF16",
    }
    if dtype not in names:
        raise InputError(f"weights are stored as {', '.join(map(str, names))}; these are {dtype}")
    return names[dtype]


def is_count(value: object) -> bool:
    """Whether a value of a file is a count below 10^60: of that size products of a few can still
    be computed, and reported in an error.
    """
    return type(value) is int and 0 <= value < 10**60


def shown(value: object) -> str:
    """A value of a file as an error shows it: on one line without control characters, and cut
    where it is long.
    """
    return shortened(repr(value))


def shortened(text: str) -> str:
    """At most 60 characters of a text."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def parse_json(raw: bytes, where: str | os.PathLike[str]) -> object:
    """JSON in UTF-8 without fractions. Raises InputError for anything else, also for a key that an
    object has twice.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"an object has the key {shown(twice)} twice")
        return dict(pairs)

    def refuse(number: str) -> NoReturn:
        raise ValueError(f"{shortened(number)} is no integer")

    def integer(text: str) -> int:
        return int(text) if text != "-0" else refuse(text)

    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=once,
            parse_float=refuse,
            parse_int=integer,
            parse_constant=refuse,
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: cannot be read as JSON: {error}") from None
