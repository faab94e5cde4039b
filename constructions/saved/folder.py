"""Models in folders: weights, names, facts, certificate, and a manifest with the SHA-256 of
everything.

| file | holds |
|---|---|
| `weights.safetensors` | all of `state_dict()` |
| `vocabulary.txt` | a token's name on each line: entities, relations, special tokens |
| `facts.tsv` | the facts, one a line |
| or `facts.safetensors` | where lines cannot hold them, or there are over a million: the tensor |
| | `facts`, I32 (relations, entities), -1 for a missing one |
| `codebooks.safetensors` | the tensors `0`, `1`, ...: tokens with a code, unless by default |
| `certificate.json` | what is claimed of the model |
| `manifest.json` | construction, options, sizes, architecture; extremes and SHA-256 of tensors |

The same model makes the same bytes. A folder is read without trust: everything is compared with
the manifest, and the manifest with what the builder makes of the facts, before memory is taken for
weights; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from constructions.facts.answers import MISSING
from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.facts.tsv import fact_lines, is_plain
from constructions.files.new_folder import new_folder, undisturbed
from constructions.files.outputs import require_outside_models
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.memory import require_memory
from constructions.guards.wording import brief
from constructions.model.fact_model import FactModel
from constructions.model.rebuild import default_codebooks, planned, same_codebooks
from constructions.model.recipe import Recipe
from constructions.model.transformer import TransformerShape
from constructions.saved import manifest as manifests
from constructions.saved.builders import builder_named
from constructions.saved.manifest import Manifest
from constructions.saved.saved_facts import read_saved_facts
from constructions.saved.tensor_file import format_name, read_header, shown, survey, write_tensors
from constructions.writing.certificate import certificate

WEIGHTS, VOCABULARY, CERTIFICATE = "weights.safetensors", "vocabulary.txt", "certificate.json"
FACTS, PACKED_FACTS, CODEBOOKS = "facts.tsv", "facts.safetensors", "codebooks.safetensors"
_ALWAYS = frozenset({WEIGHTS, VOCABULARY, CERTIFICATE})
_UNFINISHED = f".{manifests.NAME}.part"
_FILES = _ALWAYS | {FACTS, PACKED_FACTS, CODEBOOKS}
MOST_FACTS_AS_TEXT = 1_000_000


# -------------------------------------------------------------------- saving


def save(model: FactModel, folder: str | os.PathLike[str]) -> None:
    """Write a model that a public builder has made, trained or edited since or not, on any device.

    Under the folder's name there is at every moment the model that was there before, or this one.
    What is there and is not the folder of a model, byte for byte as `save` has left it, is never
    touched.

    Raises:
        InputError: the model has no recipe, or not the weights of its shape; `certificate` refuses
            it; something else is in the place of the folder, or it cannot be written. Then what
            was there is there still.
        DoesNotFit: the weights have been converted to a dtype in which the construction does not
            exist.

    Warns:
        UserWarning: the model is saved, but this file system does not say that it is on the disk;
            or the old one could not be removed.
    """
    require_outside_models(folder)
    weights = _checked_weights(model)
    text = certificate(model)
    with new_folder(folder, _require_model_folder, _require_left_over) as part:
        write_tensors(part / WEIGHTS, weights)
        facts, specials = model.facts, model.vocabulary.specials
        names = [*facts.entity_names, *facts.relation_names, *specials]
        (part / VOCABULARY).write_bytes("".join(f"{name}\n" for name in names).encode())
        if _fits_text(facts):
            (part / FACTS).write_bytes("".join(fact_lines(facts)).encode())
        else:
            write_tensors(
                part / PACKED_FACTS, {"facts": torch.from_numpy(facts.answers.astype(np.int32))}
            )
        if not same_codebooks(model.codebooks, default_codebooks(model.recipe.build, facts)):
            books = {
                str(i): torch.from_numpy(book.tokens.astype(np.int64))
                for i, book in enumerate(model.codebooks)
            }
            write_tensors(part / CODEBOOKS, books)
        (part / CERTIFICATE).write_bytes(text.encode())
        found = {
            **_description(model),
            "tensors": {
                name: tensor.listed() for name, tensor in survey(part / WEIGHTS).tensors.items()
            },
            "files": {
                path.name: {"bytes": path.stat().st_size, "sha256": _digest(path)}
                for path in part.iterdir()
            },
        }
        (part / _UNFINISHED).write_bytes(manifests.canonical(found))
        # so that a manifest is whole, or not there: see `_require_left_over`
        (part / _UNFINISHED).rename(part / manifests.NAME)


def _checked_weights(model: FactModel) -> dict[str, Tensor]:
    """The model's tensors on the CPU, if they are those of its shape, in a dtype in which it can
    be built again.
    """
    if not hasattr(model, "recipe"):
        raise InputError(
            "only a model made by a builder of the catalogue can be saved; this one has no recipe"
        )
    weights = {
        name: tensor.detach().to("cpu").contiguous() for name, tensor in model.state_dict().items()
    }
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if found != (expected := model.shape.tensor_shapes()):
        wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        reported = [
            f"{name} {found.get(name, 'missing')}, not {expected.get(name, 'there')}"
            for name in wrong[:3]
        ]
        raise InputError(f"the model's tensors are not those of its shape: {'; '.join(reported)}")
    dtypes = {tensor.dtype for tensor in weights.values()}
    if len(dtypes) > 1:
        raise InputError(
            f"all weights must have one dtype; these have {', '.join(sorted(map(str, dtypes)))}"
        )
    (dtype,) = dtypes
    format_name(dtype)
    if dtype != model.built_dtype:
        planned(model.recipe, model.facts, model.codebooks, dtype).build()
    return weights


def _fits_text(facts: FactTable) -> bool:
    """Whether `facts.tsv` can hold the facts, so that it can be read back: see
    `constructions.facts.tsv`.
    """
    return 0 < facts.n_facts <= MOST_FACTS_AS_TEXT and is_plain(facts)


def _require_model_folder(folder: Path) -> None:
    """Raise InputError unless the folder holds a model, byte for byte as it was saved, and nothing
    else.
    """
    try:
        listed = manifests.read_manifest(folder)["files"]
        _require_known(folder, listed)
    except InputError as error:
        raise InputError(
            f"{folder}: is not empty and not the folder of a model, so it stays as it is; give"
            f" another name, or remove it ({error})"
        ) from None
    others = sorted({path.name for path in folder.iterdir()} - listed.keys() - {manifests.NAME})
    if others:
        raise InputError(
            f"{folder}: holds more than a model, so it stays as it is; move {', '.join(others)}"
            " away first"
        )
    for name in (manifests.NAME, *sorted(listed), ""):
        if different := _different(folder / name, listed.get(name)):
            raise InputError(
                f"{folder / name}: {different} since the model was saved, so the folder stays as"
                " it is; give another name, or move it away"
            )


def _different(path: Path, listed: Manifest | None) -> str:
    """In what a file is not as it was saved; nothing if it is. Of the folder and its manifest the
    bytes are not listed.
    """
    if path.is_symlink():
        return "has been made a link"
    if listed is not None and (not path.is_file() or path.stat().st_size != listed["bytes"]):
        return "has been changed"
    if listed is not None and _digest(path) != listed["sha256"]:
        return "has been changed"
    return "has got extended attributes" if _has_attributes(path) else ""


def _has_attributes(path: Path) -> bool:
    """Whether a user has put attributes beside the data, where the system can tell."""
    try:
        return hasattr(os, "listxattr") and any(
            name.startswith("user.") for name in os.listxattr(path)
        )
    except OSError:  # this file system has none
        return False


def _require_left_over(folder: Path) -> None:
    """Raise InputError unless the folder is what a save leaves that is killed: a whole model, or
    some files of one.
    """
    names = {path.name for path in folder.iterdir()}
    if manifests.NAME in names:
        _require_model_folder(folder)
        return
    for name in sorted(names):
        if name not in {*_FILES, _UNFINISHED} or not stat.S_ISREG((folder / name).lstat().st_mode):
            raise InputError(f"{folder}: holds {name}, which no save has left")


def _description(model: FactModel) -> Manifest:
    """The part of the manifest that follows from the model without its weights."""
    shape = model.shape
    return {
        "format": manifests.FORMAT,
        "construction": model.construction,
        "builder": model.recipe.builder,
        "options": model.recipe.options,
        "dtype": str(model.embedding.weight.dtype).removeprefix("torch."),
        "sizes": {
            "entities": model.vocabulary.n_entities,
            "relations": model.vocabulary.n_relations,
            "hops": model.hops,
            "positions": shape.n_positions,
            "d_model": shape.d_model,
            "d_vocab": shape.d_vocab,
            "parameters": shape.n_parameters(),
        },
        "architecture": manifests.architecture(shape),
        "specials": list(model.vocabulary.specials),
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -------------------------------------------------------------------- loading


def load(folder: str | os.PathLike[str]) -> FactModel:
    """The model of a folder, on torch's default device: built again from its facts, with the
    weights that were saved.

    Raises:
        InputError: the folder is not as `save` leaves it; the message names the file, what was
            found, what was expected.
        DoesNotFit: the model needs more memory than the machine has.
    """
    path = Path(folder)
    try:
        return undisturbed(path, lambda: _loaded(path))
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def _loaded(folder: Path) -> FactModel:
    manifest = manifests.read_manifest(folder)
    at = folder / manifests.NAME
    _require_files(folder, manifest["files"])
    shape = _checked_shape(folder, manifest)
    _require_contents(folder, manifest)
    facts = _read_facts(folder, manifest)
    given = _read_codebooks(folder, shape.d_vocab) if CODEBOOKS in manifest["files"] else None
    try:
        recipe = Recipe(builder_named(manifest["builder"]), manifest["options"])
        books = given or default_codebooks(recipe.build, facts)
        plan = planned(recipe, facts, books, manifests.DTYPES[manifest["dtype"]])
        if plan.shape != shape:  # before any weight is allocated
            raise InputError(
                f"{plan.construction} has other sizes here: {brief(plan.shape)} is not"
                f" {brief(shape)}"
            )
        model: FactModel = plan.build()
    except (ValueError, MemoryError, OverflowError) as error:
        kind = DoesNotFit if isinstance(error, (DoesNotFit, MemoryError)) else InputError
        raise kind(
            f"{at}: {manifest['builder']} cannot be built of this folder: {error}"
        ) from None
    for key, made in _description(model).items():
        if manifest[key] != made:
            raise InputError(
                f"{at}: {key} is {manifest[key]!r}, but {recipe.builder} makes {made!r} of this"
                " folder"
            )
    with torch.no_grad(), safe_open(folder / WEIGHTS, framework="pt") as file:
        for name, tensor in model.state_dict().items():
            tensor.copy_(file.get_tensor(name))
    return model


def _require_files(folder: Path, listed: Manifest) -> None:
    """The folder has just the files that the manifest lists, of the sizes listed, and they are
    those of a model.
    """
    _require_known(folder, listed)
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
            if name == WEIGHTS:
                read_header(folder / name)  # which says it if another tool has written the file
            raise InputError(
                f"{folder / name}: has {size:,} bytes; {manifests.NAME} says {entry['bytes']:,}"
            )


def _require_known(folder: Path, listed: Manifest) -> None:
    """What is listed are the files of a model."""
    at = folder / manifests.NAME
    for name in sorted(_ALWAYS - listed.keys()):
        raise InputError(f"{at}: lists no {name}; every model has one")
    for name in sorted(listed.keys() - _FILES):
        raise InputError(f"{at}: lists {shown(name)}, which is no file of a model")
    if (FACTS in listed) == (PACKED_FACTS in listed):
        raise InputError(
            f"{at}: lists {'both' if FACTS in listed else 'neither'} of {FACTS} and"
            f" {PACKED_FACTS}; one is expected"
        )


def _checked_shape(folder: Path, manifest: Manifest) -> TransformerShape:
    """The shape, if sizes, architecture, the manifest's tensors and the header of the weights
    agree, and memory suffices.
    """
    at = folder / manifests.NAME
    sizes, options, shape = manifest["sizes"], manifest["options"], manifests.shape_of(manifest)
    dtype = manifests.DTYPES[manifest["dtype"]]
    header = read_header(folder / WEIGHTS)
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
    stored = sum(tensor.end - tensor.begin for tensor in header.values())
    needed = sizes["parameters"] * dtype.itemsize
    if stored != needed:
        raise InputError(
            f"{folder / WEIGHTS}: has {stored:,} bytes of data; {sizes['parameters']:,} parameters"
            f" of {manifest['dtype']} need {needed:,}"
        )
    expected = {
        name: (format_name(dtype), list(dims)) for name, dims in shape.tensor_shapes().items()
    }
    in_header = {name: (tensor.dtype, list(tensor.shape)) for name, tensor in header.items()}
    in_manifest = {
        name: (entry["dtype"], entry["shape"]) for name, entry in manifest["tensors"].items()
    }
    for path, found in ((folder / WEIGHTS, in_header), (at, in_manifest)):
        for name in sorted(expected | found):
            if found.get(name) != expected.get(name):
                reported = [
                    " ".join(map(str, tensors.get(name, ("nothing",))))
                    for tensors in (found, expected)
                ]
                raise InputError(
                    f"{path}: tensor {name!r}: found {reported[0]}; the architecture has"
                    f" {reported[1]}"
                )
    hops = options.get("hops", options.get("max_hops", 1))
    if hops != sizes["hops"] or sizes["hops"] > max(1, sizes["positions"]):
        raise InputError(
            f"{at}: options for {hops} hops, sizes.hops {sizes['hops']}, {sizes['positions']}"
            " positions"
        )
    require_memory(stored, f"{folder}: the weights")
    return shape


def _require_contents(folder: Path, manifest: Manifest) -> None:
    """Every file has its SHA-256, every tensor its own and its extremes."""
    surveyed = survey(folder / WEIGHTS)
    for name, entry in sorted(manifest["files"].items()):
        found = surveyed.sha256 if name == WEIGHTS else _digest(folder / name)
        if found != entry["sha256"]:
            raise InputError(
                f"{folder / name}: has the SHA-256 {found}; {manifests.NAME} says"
                f" {entry['sha256']}: the file has changed"
            )
    for name, tensor in surveyed.tensors.items():
        for key, found in tensor.listed().items():
            if found != manifest["tensors"][name][key]:
                raise InputError(
                    f"{folder / manifests.NAME}: {key} of tensor {name!r} is"
                    f" {manifest['tensors'][name][key]}; {WEIGHTS} has {found}"
                )


def _read_facts(folder: Path, manifest: Manifest) -> FactTable:
    sizes, specials = manifest["sizes"], manifest["specials"]
    n_entities, n_relations = sizes["entities"], sizes["relations"]
    require_memory(
        16 * n_entities * n_relations, f"{folder}: {n_relations:,} x {n_entities:,} facts"
    )
    at = folder / VOCABULARY
    try:
        *names, beyond = at.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{at}: is not UTF-8: {error}") from None
    if beyond or len(names) != n_entities + n_relations + len(specials):
        raise InputError(
            f"{at}: has {len(names)}"
            f" lines{' and, after the last, a piece without an end' if beyond else ''}; lines for"
            f" {n_entities} entities, {n_relations} relations and {len(specials)} special tokens"
            " are expected"
        )
    entities, relations = names[:n_entities], names[n_entities : n_entities + n_relations]
    if names[n_entities + n_relations :] != specials:
        raise InputError(
            f"{at}: ends with {names[n_entities + n_relations :]}; {specials} is expected"
        )
    try:
        blank = FactTable(np.full((n_relations, n_entities), MISSING), entities, relations)
    except InputError as error:
        raise InputError(f"{at}: {error}") from None
    path = folder / (FACTS if FACTS in manifest["files"] else PACKED_FACTS)
    answers = read_saved_facts(path, blank) if path.name == FACTS else _packed_answers(path, blank)
    try:
        return FactTable(answers, entities, relations)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _packed_answers(path: Path, blank: FactTable) -> np.ndarray:
    found = {name: (stored.dtype, stored.shape) for name, stored in read_header(path).items()}
    expected = {"facts": ("I32", blank.answers.shape)}
    if found != expected:
        raise InputError(f"{path}: has the tensors {found}; {expected} is expected")
    with safe_open(path, framework="np") as file:
        answers: np.ndarray = file.get_tensor("facts")
    return answers


def _read_codebooks(folder: Path, d_vocab: int) -> tuple[Codebook, ...]:
    path = folder / CODEBOOKS
    header = read_header(path)
    names = [str(i) for i in range(len(header))]
    if sorted(header) != sorted(names) or not all(
        s.dtype == "I64" and len(s.shape) == 1 for s in header.values()
    ):
        raise InputError(
            f"{path}: the tensors '0', '1', ... with I64 tokens are expected; found"
            f" {sorted(header)}"
        )
    with safe_open(path, framework="np") as file:
        books = tuple(Codebook(file.get_tensor(name)) for name in names)
    for name, book in zip(names, books, strict=True):
        tokens = book.tokens
        if (
            not len(tokens)
            or tokens[0] < 0
            or tokens[-1] >= d_vocab
            or (np.diff(tokens) <= 0).any()
        ):
            raise InputError(
                f"{path}: the tokens of codebook {name} must increase strictly within"
                f" 0..{d_vocab - 1}"
            )
    return books
