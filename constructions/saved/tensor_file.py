"""Tensors in a file, written and read by safetensors.

A file is 8 bytes with the length of its header, the header, a JSON object `{name: {dtype, shape,
data_offsets}}`, and then the data, little-endian, one tensor after the other. The library refuses
a header that is too long, is no JSON or is of other types, and tensors whose sizes do not fit
their dtypes and shapes, overlap, or leave bytes between them or at the end. It takes what `save`
never writes and the checker refuses; that is looked for here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from constructions.guards.errors import InputError
from constructions.saved.json_text import parse_json, shown

FORMAT_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}
"""The dtypes in which weights are stored, as the format writes them."""


class Declared(NamedTuple):
    """What a header says of a tensor: the dtype as the format writes it, and the shape."""

    dtype: str
    shape: tuple[int, ...]


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


def read_header(path: Path) -> dict[str, Declared]:
    """The tensors that a file declares; of the data nothing is read.

    Raises:
        InputError: safetensors refuses the file, or it takes one that is not as `save` writes it:
            with a space before the header, `__metadata__`, a name twice, an entry of other keys.
    """
    try:
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise InputError(
            f"{path}: is refused by safetensors ({error}); a file as `save` writes it is expected"
        ) from None
    with path.open("rb") as file:
        text = file.read(int.from_bytes(file.read(8), "little"))
    header = parse_json(text, path)
    if not isinstance(header, dict) or text[:1] != b"{":
        raise InputError(f"{path}: something stands before the header; a JSON object is expected")
    if "__metadata__" in header:
        raise InputError(
            f"{path}: another tool has written it: its header has __metadata__, which `save` does"
            " not write; read these weights with safetensors, put them into the model with"
            " load_state_dict, and save that"
        )
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise InputError(
                f"{path}: the header's entry {shown(name)} is {shown(entry)}; an object of dtype,"
                " shape and data_offsets is expected"
            )
    return {
        name: Declared(entry["dtype"], tuple(entry["shape"])) for name, entry in header.items()
    }


def read_into(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Fill tensors with those of the same names in a file that `read_header` takes, of the same
    dtypes and shapes: read where they lie, so that no second copy is held.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = cast("dict[str, Any]", parse_json(file.read(length), path))
        for name, tensor in tensors.items():
            start, stop = header[name]["data_offsets"]
            in_place = tensor.device.type == "cpu" and tensor.is_contiguous()
            held = tensor.detach() if in_place else torch.empty(tensor.shape, dtype=tensor.dtype)
            file.seek(8 + length + start)
            room = held.reshape(-1).view(torch.uint8).numpy().data if held.numel() else bytearray()
            if file.readinto(room) != stop - start:
                raise InputError(f"{path}: ends within the tensor {shown(name)}")
            if not in_place:
                tensor.copy_(held)


def mapped(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, mapped: what is read of them is read from there, and what is written
    into them is written into memory alone.
    """
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def format_name(dtype: torch.dtype) -> str:
    """A floating torch dtype as the format writes it: F32 for float32.

    Raises:
        InputError: weights of this dtype are not stored.
    """
    if dtype not in FORMAT_NAMES:
        raise InputError(
            f"weights are stored as {', '.join(map(str, FORMAT_NAMES))}; these are {dtype}"
        )
    return FORMAT_NAMES[dtype]
