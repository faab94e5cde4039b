"""The folder of a form: a construction in other weights, beside the construction that it was made
from.

| file | holds |
|---|---|
| `form.safetensors` | all of `state_dict()`, and `basis` where the stream has one of its own |
| `source.json` | the manifest of the construction |
| all others | the files of the construction, as `constructions.save` writes them |
| `manifest.json` | the kind of the folder, the form's shape, SHA-256 and size of every file |

It is another kind than the folder of a construction (`constructions.saved.folder`): each is
refused where the other is expected. Of what was proven of the form nothing is written. `load_form`
computes it again, from the numbers in the file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from constructions.decoders.model_form import ModelForm, margin_if_proven
from constructions.decoders.seeding import seeded_again
from constructions.decoders.standard_decoder import (
    StandardDecoder,
    StandardShape,
)
from constructions.decoders.standard_model import StandardModel
from constructions.decoders.transformer_seeding import write_into, zeros
from constructions.files.new_folder import new_folder
from constructions.files.undisturbed import undisturbed
from constructions.forms.basis_bounds import logit_error_of
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.memory import require_memory
from constructions.guards.user_code import kind_of
from constructions.model.fact_model import FactModel
from constructions.model.ordinary_tensors import of_ordinary_tensors
from constructions.model.transformer import Transformer
from constructions.saved import manifest as manifests
from constructions.saved.agreement import require_contents
from constructions.saved.builders import Own
from constructions.saved.folder import load, writer_of
from constructions.saved.form_manifest import (
    BASIS,
    KIND,
    SOURCE,
    WEIGHTS,
    Form,
    first_coordinates,
    of_decoder,
    of_transformer,
    placed,
    read_form_manifest,
    require_form_files,
)
from constructions.saved.manifest import DTYPES, FILES, Manifest
from constructions.saved.replacing import require_left, require_unchanged, write_manifest
from constructions.saved.tensor_file import Declared, format_name, read_header, write_tensors
from constructions.saved.weight_files import INDEX


def save_form(form: Form, folder: str | os.PathLike[str]) -> None:
    """Write a form of a construction, and the construction that it was made from.

    Forms are what `change_basis`, `widen`, `add_noise` and `seed_into` make of a construction in a
    transformer, and the decoders of `standard`, `normalize` and `seed_into`. As for
    `constructions.save`, under the folder's name there is at every moment what was there before or
    this form whole; and only such a folder is ever replaced.

    Raises:
        InputError: it is no such form; or a decoder whose weights are no longer those that were
            written, or whose construction has no builder; or something else is in the place of the
            folder, or it cannot be written.
    """
    if isinstance(form, ModelForm):
        source, description = form.source, of_transformer(form)
    elif isinstance(form, StandardModel):
        source, description = form.source(), of_decoder(form)
        _require_as_written(form, source)
    else:
        raise InputError(
            "save_form takes what change_basis, widen, add_noise, standard, normalize and"
            f" seed_into make of a construction; got {kind_of(form)} (a construction itself is"
            " for constructions.save)"
        )
    tensors = {name: t.detach().cpu().contiguous() for name, t in form.state_dict().items()}
    if isinstance(form, ModelForm) and description["basis"]:
        tensors[BASIS] = form.basis.detach().cpu().contiguous()
    write = writer_of(source)
    with new_folder(folder, require_replaceable, require_left_over) as part:
        write(part)
        (part / manifests.NAME).rename(part / SOURCE)
        write_tensors(part / WEIGHTS, tensors)
        write_manifest(part, description)


def load_any(folder: str | os.PathLike[str], builder: Own | None = None) -> FactModel | Form:
    """The model of a folder, mapped if it is in shards, or the form, whichever it holds: see
    `load` and `load_form`.
    """
    if is_form(folder):
        return load_form(folder, builder)
    return load(folder, builder, mapped=(Path(folder) / INDEX).is_file())


def load_form(folder: str | os.PathLike[str], builder: Own | None = None) -> Form:
    """The form of a folder, on the CPU, and with what is proven of the numbers in the file.

    A decoder is refused unless its construction, written into these weights anew, changes none of
    them; it states what is proven of that. A transformer without a basis of its own states the
    construction's margin if its weights are those that `widen` makes, bit for bit; in another
    basis, and no wider, that margin less twice the `logit_error`, which is computed anew. All
    others state nothing: `verify check` decides their queries one by one.

    Args:
        folder: as `save_form` leaves it.
        builder: see `constructions.load`.

    Raises:
        InputError: the folder is not as `save_form` leaves it; the message names the file.
        DoesNotFit: the model needs more memory than the machine has.
    """
    path = Path(folder)
    try:
        return undisturbed(path, lambda: _loaded(path, builder))
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def is_form(folder: str | os.PathLike[str]) -> bool:
    """Whether the manifest of a folder says that it is that of a form; no more is looked at."""
    try:
        _, manifest = manifests.read_object(Path(folder))
    except (InputError, OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("kind") == KIND


@contextmanager
def source_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """The folder of the construction that a form was made from, as long as this lasts: links to
    the files. What is raised meanwhile of it names the form's folder.
    """
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "source"
        model.mkdir()
        for path in Path(folder).resolve().iterdir():
            if path.name not in (WEIGHTS, manifests.NAME):
                name = manifests.NAME if path.name == SOURCE else path.name
                (model / name).symlink_to(path)
        try:
            yield model
        except InputError as error:
            kind = DoesNotFit if isinstance(error, DoesNotFit) else InputError
            said = str(error).replace(str(model / manifests.NAME), str(Path(folder) / SOURCE))
            raise kind(said.replace(str(model), str(folder))) from None


def _loaded(folder: Path, own: Own | None) -> Form:
    """The form, after everything in the folder has been held against the manifest."""
    manifest = read_form_manifest(folder)
    require_form_files(folder, manifest["files"])
    require_contents(folder, manifest)
    with source_folder(folder) as place:
        source = load(place, own)
    try:
        if "place" in manifest:
            return _loaded_decoder(folder, manifest, source)
        return _loaded_transformer(folder, manifest, source)
    except InputError as error:
        kind = DoesNotFit if isinstance(error, DoesNotFit) else InputError
        raise kind(f"{folder}: {str(error).removeprefix(f'{folder}: ')}") from None


@of_ordinary_tensors
@torch.no_grad()
def _loaded_transformer(folder: Path, manifest: Manifest, source: FactModel) -> ModelForm:
    """A form in a transformer."""
    sizes, dtype = manifest["sizes"], DTYPES[manifest["dtype"]]
    shape = manifests.shape_with(sizes, manifest["architecture"])
    basis = (shape.d_model, source.shape.d_model)
    expected = dict(shape.tensor_shapes()) | ({BASIS: basis} if manifest["basis"] else {})
    held = _tensors(folder, dtype, expected)
    if shape.d_vocab < len(source.vocabulary) or shape.d_model < source.shape.d_model:
        raise InputError(f"{manifests.NAME}: the form is smaller than its construction")
    made = Transformer(shape, dtype)
    made.load_state_dict({name: held[name] for name in shape.tensor_shapes()})
    form = ModelForm(made, source, held.get(BASIS))
    _state(form)
    return form


def _state(form: ModelForm) -> None:
    """State what is proven of the numbers that were read; nothing where nothing is."""
    source, margin = form.source, margin_if_proven(form.source)
    if margin is None or form.embedding.weight.dtype != source.embedding.weight.dtype:
        return
    if torch.equal(form.basis.cpu(), first_coordinates(form)):
        clean = zeros(form.shape, form.embedding.weight.dtype)
        write_into(clean, source)
        given = dict(clean.named_parameters())
        if all(torch.equal(w, given[name]) for name, w in form.named_parameters()):
            form.state(margin)
    elif form.shape == source.shape:
        try:
            error = logit_error_of(source, form, form.basis.double(), "norms", margin)
        except DoesNotFit:
            return
        form.state(margin.less(error), error)


def _loaded_decoder(folder: Path, manifest: Manifest, source: FactModel) -> StandardModel:
    """A construction in a standard decoder, written into it anew, which must change nothing."""
    place, dtype = placed(manifest["place"]), DTYPES[manifest["dtype"]]
    shape = StandardShape(**manifest["shape"])
    with torch.device("meta"):
        empty = StandardDecoder(shape, dtype)
    expected = {name: tuple(tensor.shape) for name, tensor in empty.state_dict().items()}
    held = _tensors(folder, dtype, expected)
    decoder = StandardDecoder(shape, dtype, scale=0)
    decoder.load_state_dict(held)
    made = seeded_again(decoder, source, **place)
    _require_equal(made, held)
    return made


def _require_as_written(form: StandardModel, source: FactModel) -> None:
    """Raise InputError unless writing the construction into the decoder anew changes nothing."""
    with torch.no_grad():
        held = {name: t.detach().cpu().clone() for name, t in form.state_dict().items()}
        decoder = StandardDecoder(form.shape, form.embedding.weight.dtype, scale=0)
        decoder.load_state_dict(held)
    place = placed(of_decoder(form)["place"])
    _require_equal(seeded_again(decoder, source, **place), held)


def _require_equal(made: StandardModel, held: dict[str, Tensor]) -> None:
    """Raise InputError unless the decoder has these weights."""
    for name, tensor in made.state_dict().items():
        if not torch.equal(tensor, held[name]):
            raise InputError(
                f"{name} is not what the construction {made.construction} has there: the decoder"
                " was trained or edited since the construction was written into it"
            )


def _tensors(
    folder: Path, dtype: torch.dtype, shapes: dict[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """The tensors of the form, if they have these shapes and this dtype."""
    wanted = {name: Declared(format_name(dtype), shape) for name, shape in shapes.items()}
    found = read_header(folder / WEIGHTS)
    for name in sorted(found | wanted):
        if found.get(name) != wanted.get(name):
            raise InputError(
                f"{folder / WEIGHTS}: tensor {name!r}: found {found.get(name)}; expected"
                f" {wanted.get(name)}"
            )
    numbers = sum(torch.Size(shape).numel() for shape in shapes.values())
    require_memory(2 * numbers * dtype.itemsize, f"{folder}: the weights")
    with safe_open(folder / WEIGHTS, framework="pt") as file:
        return {name: file.get_tensor(name) for name in shapes}


def require_replaceable(folder: Path) -> None:
    """Raise InputError unless the folder is such a form, byte for byte as it was saved."""
    require_unchanged(folder, KIND, read_form_manifest, require_form_files)


def require_left_over(folder: Path) -> None:
    """Raise InputError unless it is what a save of such a form leaves that is killed."""
    require_left(folder, require_replaceable, FILES | {WEIGHTS, SOURCE})
