"""Models in folders: weights, names, facts, certificate, and a manifest with the SHA-256 of everything.

| file                     | holds                                                                               |
|--------------------------|-------------------------------------------------------------------------------------|
| `weights.safetensors`    | all of `state_dict()`                                                               |
| `vocabulary.txt`         | a token's name on each line: entities, relations, special tokens                    |
| `facts.tsv`              | the facts, one a line; where that form cannot hold them, or there are over a million,|
| or `facts.safetensors`   | the tensor `facts`, I32 (relations, entities), -1 for a missing one                 |
| `codebooks.safetensors`  | the tensors `0`, `1`, ...: tokens that have a code, where they are not the default  |
| `certificate.json`       | what is claimed of the model                                                        |
| `manifest.json`          | construction, options, sizes, architecture; extremes and SHA-256 of each tensor     |

The same model makes the same bytes. A folder is read without trust: everything is compared with the manifest, and the
manifest with what the builder makes of the facts, before memory is taken for weights; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from constructions import manifest as manifests
from constructions.claims import certificate
from constructions.codes import Codebook
from constructions.draft import only_of_shape
from constructions.errors import DoesNotFit, InputError
from constructions.facts import MISSING, FactTable
from constructions.manifest import Manifest
from constructions.memory import require_memory
from constructions.model import FactModel
from constructions.new_folder import new_folder
from constructions.rebuild import default_codebooks, rebuilt, same_codebooks
from constructions.recipe import Recipe
from constructions.tensor_file import Stored, Survey, format_name, read_header, survey, write_tensors
from constructions.transformer import TransformerShape
from constructions.tsv import read_tsv, write_tsv

WEIGHTS, VOCABULARY, CERTIFICATE = "weights.safetensors", "vocabulary.txt", "certificate.json"
FACTS, PACKED_FACTS, CODEBOOKS = "facts.tsv", "facts.safetensors", "codebooks.safetensors"
MOST_FACTS_AS_TEXT = 1_000_000
_DTYPES = {str(d).removeprefix("torch."): d for d in (torch.float64, torch.float32, torch.float16, torch.bfloat16)}


# -------------------------------------------------------------------- saving


def save(model: FactModel, folder: str | os.PathLike[str]) -> None:
    """Write a model that a public builder has made, trained or edited since or not, on any device.

    Under the folder's name there is at every moment the model that was there before, or this one. What is there and is not
    the folder of a model, as `save` leaves it, is never touched.

    Raises:
        InputError: the model has no recipe, or not the weights of its shape; `certificate` refuses it; something else is
            in the place of the folder, or it cannot be written.
        DoesNotFit: the weights have been converted to a dtype in which the construction does not exist.
    """
    weights = _checked_weights(model)
    text = certificate(model)
    with new_folder(folder, _require_model_folder) as part:
        write_tensors(part / WEIGHTS, weights)
        facts, specials = model.facts, model.vocabulary.specials
        names = [*facts.entity_names, *facts.relation_names, *specials]
        (part / VOCABULARY).write_bytes("".join(f"{name}\n" for name in names).encode())
        if _fits_text(facts):
            write_tsv(facts, part / FACTS)
        else:
            write_tensors(part / PACKED_FACTS, {"facts": torch.from_numpy(facts.answers.astype(np.int32))})
        if not same_codebooks(model.codebooks, default_codebooks(model.recipe.builder, facts)):
            books = {str(i): torch.from_numpy(book.tokens.astype(np.int64)) for i, book in enumerate(model.codebooks)}
            write_tensors(part / CODEBOOKS, books)
        (part / CERTIFICATE).write_bytes(text.encode())
        surveyed = survey(part / WEIGHTS)
        found = {
            **_description(model),
            "tensors": _tensors(read_header(part / WEIGHTS), surveyed),
            "files": {path.name: {"bytes": path.stat().st_size, "sha256": _digest(path)} for path in part.iterdir()},
        }
        (part / manifests.NAME).write_bytes(manifests.canonical(found))


def _checked_weights(model: FactModel) -> dict[str, Tensor]:
    """The model's tensors on the CPU, if they are those of its shape, in a dtype in which it can be built again."""
    if not hasattr(model, "recipe"):
        raise InputError("only a model made by a builder of the catalogue can be saved; this one has no recipe")
    weights = {name: tensor.detach().to("cpu").contiguous() for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if found != (expected := model.shape.tensor_shapes()):
        wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        told = [f"{name} {found.get(name, 'missing')}, not {expected.get(name, 'there')}" for name in wrong[:3]]
        raise InputError(f"the model's tensors are not those of its shape: {'; '.join(told)}")
    dtypes = {tensor.dtype for tensor in weights.values()}
    if len(dtypes) > 1:
        raise InputError(f"all weights must have one dtype; these have {', '.join(sorted(map(str, dtypes)))}")
    (dtype,) = dtypes
    format_name(dtype)
    if dtype != model.built_dtype:
        rebuilt(model.recipe, model.facts, model.codebooks, dtype)
    return weights


def _fits_text(facts: FactTable) -> bool:
    """Whether `facts.tsv` can hold the facts, so that it can be read back: see `constructions.tsv`."""
    if not 0 < facts.n_facts <= MOST_FACTS_AS_TEXT or any(name.startswith("#") for name in facts.entity_names):
        return False
    names = {*facts.entity_names, *facts.relation_names}
    return len({unicodedata.normalize("NFC", name) for name in names}) == len(names)


def _require_model_folder(folder: Path) -> None:
    """Raise InputError unless the folder holds a model and nothing else."""
    try:
        listed = {manifests.NAME, *manifests.read_manifest(folder)["files"]}
    except InputError as error:
        raise InputError(
            f"{folder}: is not empty and not the folder of a model, so it stays as it is; give another name, or remove it "
            f"({error})"
        ) from None
    others = sorted({path.name for path in folder.iterdir()} - listed)
    if others:
        raise InputError(
            f"{folder}: holds more than a model, so it stays as it is; move {', '.join(others)} away first"
        )


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


def _tensors(header: dict[str, Stored], surveyed: Survey) -> Manifest:
    return {
        name: {
            "dtype": stored.dtype,
            "shape": list(stored.shape),
            "smallest": surveyed.tensors[name].smallest,
            "largest": surveyed.tensors[name].largest,
            "sha256": surveyed.tensors[name].sha256,
        }
        for name, stored in header.items()
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -------------------------------------------------------------------- loading


def load(folder: str | os.PathLike[str]) -> FactModel:
    """The model of a folder, on the CPU: built again from its facts, with the weights that were saved.

    Raises:
        InputError: the folder is not as `save` leaves it; the message names the file, what was found, what was expected.
        DoesNotFit: the model needs more memory than the machine has.
    """
    path = Path(folder)
    try:
        return _loaded(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _loaded(folder: Path) -> FactModel:
    manifest = manifests.read_manifest(folder)
    at = folder / manifests.NAME
    _require_files(folder, manifest["files"])
    shape = _checked_shape(folder, manifest)
    _require_contents(folder, manifest)
    facts = _read_facts(folder, manifest)
    recipe = Recipe(manifest["builder"], manifest["options"])
    given = _read_codebooks(folder, shape.d_vocab) if CODEBOOKS in manifest["files"] else None
    try:
        books = given or default_codebooks(recipe.builder, facts)
        with only_of_shape(shape):
            model = rebuilt(recipe, facts, books, _DTYPES[manifest["dtype"]])
    except (ValueError, MemoryError, OverflowError) as error:
        kind = DoesNotFit if isinstance(error, (DoesNotFit, MemoryError)) else InputError
        raise kind(f"{at}: {recipe.builder} cannot be built of this folder: {error}") from None
    for key, made in _description(model).items():
        if manifest[key] != made:
            raise InputError(f"{at}: {key} is {manifest[key]!r}, but {recipe.builder} makes {made!r} of this folder")
    with torch.no_grad(), safe_open(folder / WEIGHTS, framework="pt") as file:
        for name, tensor in model.state_dict().items():
            tensor.copy_(file.get_tensor(name))
    return model


def _require_files(folder: Path, listed: Manifest) -> None:
    """The folder has just the files that the manifest lists, of the sizes listed, and they are those of a model."""
    at = folder / manifests.NAME
    always = {WEIGHTS, VOCABULARY, CERTIFICATE}
    for name in sorted(always - listed.keys()):
        raise InputError(f"{at}: lists no {name}; every model has one")
    for name in sorted(listed.keys() - always - {FACTS, PACKED_FACTS, CODEBOOKS}):
        raise InputError(f"{at}: lists {name!r}, which is no file of a model")
    if (FACTS in listed) == (PACKED_FACTS in listed):
        raise InputError(
            f"{at}: lists {'both' if FACTS in listed else 'neither'} of {FACTS} and {PACKED_FACTS}; one is expected"
        )
    there = {path.name for path in folder.iterdir()} - {manifests.NAME}
    if there - listed.keys():
        raise InputError(
            f"{folder}: holds {', '.join(sorted(there - listed.keys()))}, which {manifests.NAME} does not list"
        )
    for name, entry in sorted(listed.items()):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file, but {manifests.NAME} lists it")
        size = (folder / name).stat().st_size
        if size != entry["bytes"]:
            raise InputError(f"{folder / name}: has {size:,} bytes; {manifests.NAME} says {entry['bytes']:,}")


def _checked_shape(folder: Path, manifest: Manifest) -> TransformerShape:
    """The shape, if sizes, architecture, the manifest's tensors and the header of the weights agree, and memory suffices."""
    at = folder / manifests.NAME
    sizes, options, shape = manifest["sizes"], manifest["options"], manifests.shape_of(manifest)
    if manifest["dtype"] not in _DTYPES:
        raise InputError(f"{at}: dtype is {manifest['dtype']!r}; one of {', '.join(_DTYPES)} is expected")
    dtype = _DTYPES[manifest["dtype"]]
    header = read_header(folder / WEIGHTS)
    if shape.n_parameters() != sizes["parameters"]:
        raise InputError(
            f"{at}: the architecture has {shape.n_parameters():,} parameters; sizes.parameters is {sizes['parameters']:,}"
        )
    stored = sum(tensor.end - tensor.begin for tensor in header.values())
    needed = sizes["parameters"] * dtype.itemsize
    if stored != needed:
        raise InputError(
            f"{folder / WEIGHTS}: has {stored:,} bytes of data; {sizes['parameters']:,} parameters of "
            f"{manifest['dtype']} need {needed:,}"
        )
    expected = {name: (format_name(dtype), list(dims)) for name, dims in shape.tensor_shapes().items()}
    in_header = {name: (tensor.dtype, list(tensor.shape)) for name, tensor in header.items()}
    in_manifest = {name: (entry["dtype"], entry["shape"]) for name, entry in manifest["tensors"].items()}
    for path, found in ((folder / WEIGHTS, in_header), (at, in_manifest)):
        for name in sorted(expected | found):
            if found.get(name) != expected.get(name):
                told = [" ".join(map(str, tensors.get(name, ("nothing",)))) for tensors in (found, expected)]
                raise InputError(f"{path}: tensor {name!r}: found {told[0]}; the architecture has {told[1]}")
    hops = options.get("hops", options.get("max_hops", 1))
    if hops != sizes["hops"] or sizes["hops"] > max(1, sizes["positions"]):
        raise InputError(f"{at}: options for {hops} hops, sizes.hops {sizes['hops']}, {sizes['positions']} positions")
    require_memory(stored, f"{folder}: the weights")
    return shape


def _require_contents(folder: Path, manifest: Manifest) -> None:
    """Every file has its SHA-256, every tensor its own and its extremes."""
    surveyed = survey(folder / WEIGHTS)
    for name, entry in sorted(manifest["files"].items()):
        found = surveyed.sha256 if name == WEIGHTS else _digest(folder / name)
        if found != entry["sha256"]:
            raise InputError(
                f"{folder / name}: has the SHA-256 {found}; {manifests.NAME} says {entry['sha256']}: the file has changed"
            )
    for name, tensor in _tensors(read_header(folder / WEIGHTS), surveyed).items():
        for key, found in tensor.items():
            if found != manifest["tensors"][name][key]:
                raise InputError(
                    f"{folder / manifests.NAME}: {key} of tensor {name!r} is {manifest['tensors'][name][key]}; "
                    f"{WEIGHTS} has {found}"
                )


def _read_facts(folder: Path, manifest: Manifest) -> FactTable:
    sizes, specials = manifest["sizes"], manifest["specials"]
    n_entities, n_relations = sizes["entities"], sizes["relations"]
    require_memory(16 * n_entities * n_relations, f"{folder}: {n_relations:,} x {n_entities:,} facts")
    at = folder / VOCABULARY
    try:
        *names, beyond = at.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{at}: is not UTF-8: {error}") from None
    if beyond or len(names) != n_entities + n_relations + len(specials):
        raise InputError(
            f"{at}: has {len(names)} lines{' and, after the last, a piece without an end' if beyond else ''}; "
            f"lines for {n_entities} entities, {n_relations} relations and {len(specials)} special tokens are expected"
        )
    entities, relations = names[:n_entities], names[n_entities : n_entities + n_relations]
    if names[n_entities + n_relations :] != specials:
        raise InputError(f"{at}: ends with {names[n_entities + n_relations :]}; {specials} is expected")
    try:
        blank = FactTable(np.full((n_relations, n_entities), MISSING), entities, relations)
    except InputError as error:
        raise InputError(f"{at}: {error}") from None
    path = folder / (FACTS if FACTS in manifest["files"] else PACKED_FACTS)
    answers = _text_answers(path, blank) if path.name == FACTS else _packed_answers(path, blank)
    try:
        return FactTable(answers, entities, relations)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _text_answers(path: Path, blank: FactTable) -> np.ndarray:
    """The answers of a fact file, whose names get their ids from the vocabulary."""
    facts = read_tsv(path).facts
    try:
        entities = np.array([blank.entity_id(name) for name in facts.entity_names])
        relations = np.array([blank.relation_id(name) for name in facts.relation_names])
    except InputError as error:
        raise InputError(f"{path}: {error}; {VOCABULARY} has all names") from None
    answers = blank.answers.copy()
    answers[np.ix_(relations, entities)] = np.where(facts.answers == MISSING, MISSING, entities[facts.answers])
    return answers


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
    if sorted(header) != sorted(names) or not all(s.dtype == "I64" and len(s.shape) == 1 for s in header.values()):
        raise InputError(f"{path}: the tensors '0', '1', ... with I64 tokens are expected; found {sorted(header)}")
    with safe_open(path, framework="np") as file:
        books = tuple(Codebook(file.get_tensor(name)) for name in names)
    for name, book in zip(names, books, strict=True):
        tokens = book.tokens
        if not len(tokens) or tokens[0] < 0 or tokens[-1] >= d_vocab or (np.diff(tokens) <= 0).any():
            raise InputError(f"{path}: the tokens of codebook {name} must increase strictly within 0..{d_vocab - 1}")
    return books
