"""Models in folders: weights, names, facts, certificate, and a manifest with the SHA-256 of
everything.

| file | holds |
|---|---|
| `weights.safetensors` | all of `state_dict()` |
| or `model-00001-of-0000N.safetensors` ... | the same in shards, with their index |
| and `model.safetensors.index.json` | (`constructions.saved.weight_files`) |
| `vocabulary.txt` | a token's name on each line: entities, relations, special tokens |
| `facts.tsv` | the facts, one a line |
| or `facts.safetensors` | where lines cannot hold them, or there are over a million: the tensor |
| | `facts`, I32 (relations, entities), -1 for a missing one |
| `codebooks.safetensors` | the tensors `0`, `1`, ...: tokens with a code, unless by default |
| `certificate.json` | what is claimed of the model |
| `manifest.json` | construction, options, sizes, architecture; size and SHA-256 of every file |

The same model makes the same bytes. A folder is read without trust: everything is compared with
the manifest, and the manifest with what the builder makes of the facts, before memory is taken for
weights; nothing is ever unpickled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from constructions.files.new_folder import new_folder
from constructions.files.undisturbed import undisturbed
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.integers import whole
from constructions.guards.user_code import in_his_code
from constructions.guards.wording import brief
from constructions.model.fact_model import FactModel
from constructions.model.rebuild import planned, same_codebooks
from constructions.model.recipe import Recipe
from constructions.saved import manifest as manifests
from constructions.saved.agreement import checked_shape, require_contents, require_files
from constructions.saved.builders import Own, builder_named, own_builder
from constructions.saved.manifest import (
    CERTIFICATE,
    CODEBOOKS,
    WEIGHTS,
    Manifest,
)
from constructions.saved.reading import read_codebooks, read_facts
from constructions.saved.replacing import (
    require_left_over,
    require_model_folder,
    write_manifest,
)
from constructions.saved.tensor_file import format_name, mapped, read_into, write_tensors
from constructions.saved.weight_files import (
    Blocks,
    mapped_weights,
    read_weight_headers,
    weight_files,
    write_weights,
)
from constructions.saved.written_facts import write_facts
from constructions.writing.certificate import certificate
from constructions.writing.plan import Plan

# -------------------------------------------------------------------- saving


def save(
    model: FactModel | Plan[Any],
    folder: str | os.PathLike[str],
    approve: Callable[[Path], None] | None = None,
    *,
    shard_bytes: int | None = None,
) -> None:
    """Write a model that a public builder has made, trained or edited since or not, on any device.

    Or write a plan, `selector.plan(facts)`: the very files of the model that it builds, without
    holding its embedding or its unembedding. Their rows are made some at a time and go to the
    file. So facts may be more than memory holds: see `FactTable` of how these are mapped.

    Under the folder's name there is at every moment the model that was there before, or this one.
    What is there and is not the folder of a model, byte for byte as `save` has left it, is never
    touched.

    Args:
        model: to be written, or the plan of it.
        folder: where; its parent must exist.
        approve: called with the whole new folder, under another name, before it gets its place;
            where it raises an error nothing is replaced, and the error is passed on.
        shard_bytes: the most bytes of tensors in a file of weights, at least 1; a tensor that has
            more has a file alone. None for a single file.

    Raises:
        InputError: the model has no recipe, or not the weights of its shape; `certificate` refuses
            it; something else is in the place of the folder, or it cannot be written. Then what
            was there is there still.
        DoesNotFit: the weights have been converted to a dtype in which the construction does not
            exist; or the internal weights of a plan need more memory than the machine has.

    Warns:
        UserWarning: the model is saved, but this file system does not say that it is on the disk;
            or the old one could not be removed.

    Example:
        >>> save(selector(facts), 'model')
        >>> save(selector.plan(facts), 'model', shard_bytes=5 * 10**9)
        >>> load('model').construction
        'selector'
    """
    write = writer_of(model, shard_bytes)
    with new_folder(folder, require_model_folder, require_left_over) as part:
        write(part)
        if approve is not None:
            approve(part)


def hold_as_saved(model: FactModel, folder: Path) -> None:
    """Let the weights of a model on the CPU be those of the folder where it has just been saved,
    mapped from there: the memory that they took is free, and what is read of them comes from the
    file. What is written into them stays in memory; the file may be removed.
    """
    if all(weight.device.type == "cpu" for weight in model.parameters()):
        model.load_state_dict(mapped(folder / WEIGHTS), assign=True)


def writer_of(
    model: FactModel | Plan[Any], shard_bytes: int | None = None
) -> Callable[[Path], None]:
    """What writes a model, or that of a plan, into an empty folder, its manifest last. Raises as
    `save`, before anything is written.
    """
    most = None if shard_bytes is None else whole("shard_bytes", shard_bytes, 1)
    if isinstance(model, Plan):
        model, weights = _planned_weights(model)
    else:
        weights = {name: Blocks.of(one) for name, one in _checked_weights(model).items()}
    text, by_default = certificate(model), _codebooks_by_default(model)

    def write(part: Path) -> None:
        """Write all files of the model."""
        digests = write_weights(part, weights, most)
        write_facts(part, model.facts, model.vocabulary.specials)
        if not by_default:
            books = {
                str(i): torch.from_numpy(book.tokens.astype(np.int64))
                for i, book in enumerate(model.codebooks)
            }
            write_tensors(part / CODEBOOKS, books)
        (part / CERTIFICATE).write_bytes(text.encode())
        write_manifest(part, _description(model), digests)

    return write


def _planned_weights(plan: Plan[Any]) -> tuple[FactModel, dict[str, Blocks]]:
    """The model of a plan without its embedding and its unembedding, and all its weights, of which
    the rows of these two are yet to be made.
    """
    if plan.recipe is None or plan.installed is not None:
        raise InputError(
            "a plan is saved as a public builder makes it, `selector.plan(facts)`; of this one"
            " build the model, and save that"
        )
    model: FactModel = plan.without_tables()
    tables, shapes = plan.tables(), model.shape.tensor_shapes()
    held = {name: one for name, one in model.state_dict().items() if name not in tables}
    made = {name: Blocks(plan.dtype, shapes[name], rows) for name, rows in tables.items()}
    return model, made | {name: Blocks.of(one) for name, one in held.items()}


def _checked_weights(model: FactModel) -> dict[str, Tensor]:
    """The model's tensors on the CPU, if they are those of its shape, in a dtype in which it can
    be built again.
    """
    if not hasattr(model, "recipe"):
        raise InputError(
            "only a model made by a builder, of the catalogue or decorated with @recorded, can be"
            " saved; this one has no recipe (a form of a construction is saved by save_form)"
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


def _codebooks_by_default(model: FactModel) -> bool:
    """Whether the builder gives the model's facts these codebooks unasked.

    It may refuse the facts with its own: a larger codebook can leave numbers more room.

    Raises:
        InputError: the builder refuses the facts with the model's codebooks, too.
    """
    try:
        by_default = planned(model.recipe, model.facts, None, model.built_dtype)
    except InputError:
        planned(model.recipe, model.facts, model.codebooks, model.built_dtype)
        return False
    return same_codebooks(model.codebooks, by_default.codebooks)


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
        "queries": model.claimed,
    }


# -------------------------------------------------------------------- loading


def load(
    folder: str | os.PathLike[str], builder: Own | None = None, *, mapped: bool = False
) -> FactModel:
    """The model of a folder, on torch's default device: built again from its facts, with the
    weights that were saved.

    Mapped, it holds no weights: it reads them from the files, on the CPU, where they are looked
    at. So a model is asked that no memory holds: of the embedding the rows of a question's tokens
    are read, and of the unembedding, where it reads codes, the row of the answer. Such
    weights cannot be changed. They are not compared with their SHA-256, nor with the facts:
    `verify check` does both. The names and the table of facts are read whole.

    Args:
        folder: as `save` leaves it.
        builder: of a user's own construction, or the construction; by default the public builder
            that the manifest names.
        mapped: whether weights stay in the files.

    Raises:
        InputError: the folder is not as `save` leaves it; the message names the file, what was
            found, what was expected. Or the builder is not public, and was not given.
        UserCodeError: the user's builder has raised another error.
        DoesNotFit: the model needs more memory than the machine has.
    """
    path = Path(folder)
    try:
        return undisturbed(path, lambda: _loaded(path, builder, mapped))
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def _loaded(folder: Path, own: Own | None, mapped: bool) -> FactModel:
    """The model of a folder, after everything in it has been held against everything else; of
    weights that stay in the files, their headers.
    """
    manifest = manifests.read_manifest(folder)
    at = folder / manifests.NAME
    require_files(folder, manifest["files"])
    shape = checked_shape(folder, manifest, held=not mapped)
    require_contents(folder, manifest, but=weight_files(manifest["files"]) if mapped else ())
    facts = read_facts(folder, manifest)
    given = read_codebooks(folder, shape.d_vocab) if CODEBOOKS in manifest["files"] else None
    try:
        named = manifest["builder"]
        build = builder_named(named) if own is None else own_builder(own, named)
        recipe = Recipe(build, manifest["options"])
        plan = planned(recipe, facts, given, manifests.DTYPES[manifest["dtype"]])
        if plan.shape != shape:  # before any weight is allocated
            raise InputError(
                f"{plan.construction} has other sizes here: {brief(plan.shape)} is not"
                f" {brief(shape)}"
            )
        model: FactModel = plan.without_tables() if mapped else plan.build()
    except (ValueError, MemoryError, OverflowError) as error:
        kind = DoesNotFit if isinstance(error, (DoesNotFit, MemoryError)) else InputError
        raise kind(
            f"{at}: {manifest['builder']} cannot be built of this folder: {error}"
        ) from None
    except (Exception, SystemExit) as error:
        if own is None:
            raise
        raise in_his_code(recipe.build, f"{at}: the builder {recipe.builder}", error) from error
    for key, made in _description(model).items():
        if manifest[key] != made:
            raise InputError(
                f"{at}: {key} is {manifest[key]!r}, but {recipe.builder} makes {made!r} of this"
                " folder"
            )
    if mapped:
        maps = mapped_weights(folder, manifest["files"])
        model.load_state_dict({name: one.tensor() for name, one in maps.items()}, assign=True)
        model.requires_grad_(False)
        model.is_mapped = True
        return model
    with torch.no_grad():
        stored, weights = read_weight_headers(folder, manifest["files"]), model.state_dict()
        for path in {one.path: None for one in stored.values()}:
            here = {name: weights[name] for name, one in stored.items() if one.path == path}
            read_into(path, here)
    return model
