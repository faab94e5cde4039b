"""Whether the parts of a folder agree, before any memory is taken for weights: the files with the
manifest, its sizes with the architecture, the tensors of the weights with both.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from constructions.guards.wording import brief
from constructions.model.shapes import TransformerShape
from constructions.saved import manifest as manifests
from constructions.saved.manifest import Manifest
from constructions.saved.tensor_file import Declared, format_name, read_header
from constructions.saved.weight_files import read_weight_headers, weight_files


def require_files(folder: Path, listed: Manifest) -> None:
    """Raise InputError unless the folder has just the files that the manifest lists, of the sizes
    listed, and they are those of a model.
    """
    manifests.require_model_files(folder, listed)
    require_listed(folder, listed)


def require_listed(folder: Path, listed: Manifest) -> None:
    """Raise InputError unless the folder has just the files that the manifest lists, of the sizes
    listed.
    """
    there = {path.name for path in folder.iterdir()} - {manifests.NAME}
    if there - listed.keys():
        raise InputError(
            f"{folder}: holds {', '.join(sorted(there - listed.keys()))}, which {manifests.NAME}"
            " does not list"
        )
    for name, entry in sorted(listed.items()):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file, but {manifests.NAME} lists it")
        size = (folder / name).stat().st_size
        if size != entry["bytes"]:
            if name in weight_files(listed):
                read_header(folder / name)  # which says it if another tool has written the file
            raise InputError(
                f"{folder / name}: has {size:,} bytes; {manifests.NAME} says {entry['bytes']:,}"
            )


def checked_shape(folder: Path, manifest: Manifest, held: bool = True) -> TransformerShape:
    """The shape, if sizes, architecture and the header of the weights agree, and memory suffices
    where they are to be held.

    Raises:
        InputError: two of them do not agree.
        DoesNotFit: the weights need more memory than the machine has.
    """
    at = folder / manifests.NAME
    sizes, shape = manifest["sizes"], manifests.shape_of(manifest)
    dtype = manifests.DTYPES[manifest["dtype"]]
    stored = read_weight_headers(folder, manifest["files"])
    tokens = sizes["entities"] + sizes["relations"] + len(manifest["specials"])
    if sizes["d_vocab"] != tokens:
        raise InputError(
            f"{at}: sizes.d_vocab is {sizes['d_vocab']:,}; {sizes['entities']:,} entities,"
            f" {sizes['relations']:,} relations and {len(manifest['specials'])} special tokens are"
            f" {tokens:,}"
        )
    if shape.n_parameters() != sizes["parameters"]:
        raise InputError(
            f"{at}: the architecture has {shape.n_parameters():,} parameters; sizes.parameters is"
            f" {sizes['parameters']:,}"
        )
    expected = {
        name: Declared(format_name(dtype), dims) for name, dims in shape.tensor_shapes().items()
    }
    for name in sorted({*expected, *stored}):
        found = stored[name].declared if name in stored else None
        wanted = expected.get(name)
        if found != wanted:
            files = weight_files(manifest["files"])
            path = stored[name].path if name in stored else folder / files[0]
            raise InputError(
                f"{path}: tensor {name!r}: found {_written(found)}; the architecture"
                f" has {_written(wanted)}"
            )
    if sizes["hops"] > max(1, sizes["positions"]):
        raise InputError(
            f"{at}: sizes.hops is {sizes['hops']}, and there are {sizes['positions']} positions"
        )
    if held:
        require_memory(sizes["parameters"] * dtype.itemsize, f"{folder}: the weights")
    return shape


def _written(tensor: Declared | None) -> str:
    """A tensor as an error shows it: its dtype and its shape, or that there is none."""
    return "nothing" if tensor is None else f"{tensor.dtype} {brief(list(tensor.shape), 60)}"


def require_contents(folder: Path, manifest: Manifest, but: Collection[str] = ()) -> None:
    """Raise InputError unless every file has the SHA-256 that the manifest lists; but for some."""
    for name, entry in sorted(manifest["files"].items()):
        if name in but:
            continue
        found = manifests.digest(folder / name)
        if found != entry["sha256"]:
            raise InputError(
                f"{folder / name}: has the SHA-256 {found}; {manifests.NAME} says"
                f" {entry['sha256']}: the file has changed"
            )
