"""A pack of decoders whose structure is known, to calibrate methods of interpretability with.

    write("pack")  # or: python -m verify known-answers pack
    for known in load("pack"):
        found = your_method(known.decoder, known.facts)  # a `Structure`
        print(known.name, score(found, known.truth))

The folder has `known-answers.json`, described in docs/known-answers.md, and for each model its
weights in safetensors, under the names of `StandardDecoder`'s parameters. Which models there are:
`verify.learned.known_models`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from constructions.decoders.standard_decoder import StandardDecoder, StandardShape
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.saved.tensor_file import write_tensors
from verify.learned.adapters import of
from verify.learned.claimed import answers_of
from verify.learned.finding import find
from verify.learned.known_models import KnownModel, known_models
from verify.learned.structure import Score, as_json, from_json, score

INDEX, FORMAT, VERSION = "known-answers.json", "known-answers", 1
ABOUT = {
    "prompt": "entity s is token s and relation r is token entities + r: after the tokens"
    " [s, entities + r] the largest logit of the last position is that of token answers[r][s]",
    "subspaces": "orthonormal rows (k, d_model): what the embeddings of entities differ by for"
    " this relation",
    "units": "hidden unit number unit % d_mlp of block unit // d_mlp is off for this relation and"
    " on for all others, whatever the entity; null where it is not known",
}


def write(folder: str | os.PathLike[str], seed: int = 0) -> list[KnownModel]:
    """Write the pack into a new folder, and return its models.

    Args:
        folder: does not exist yet, or is empty; its parent must exist.
        seed: of facts, bases, noise and training, from 0 to 2^63 - 1.

    Raises:
        InputError: it exists and is not empty, or cannot be made; the seed is out of range.
    """
    seed = whole("seed", seed, 0, 2**63 - 1)
    place = Path(folder)
    _require_new(place)
    models = list(known_models(seed))
    place.mkdir(exist_ok=True)
    for known in models:
        weights = {name: p.detach().contiguous() for name, p in known.decoder.named_parameters()}
        write_tensors(place / _weights_of(known.name), weights)
    described = [_described(known) for known in models]
    index = {"format": FORMAT, "version": VERSION, "seed": seed, "about": ABOUT}
    (place / INDEX).write_text(json.dumps(index | {"models": described}) + "\n", "utf-8")
    return models


def load(folder: str | os.PathLike[str]) -> Iterator[KnownModel]:
    """The models of a pack, one after the other.

    Raises:
        InputError: the folder is no such pack, or a file of it is damaged.
    """
    place = Path(folder)
    try:
        index = json.loads((place / INDEX).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{place}: no pack of known answers can be read: {error}") from None
    if not isinstance(index, dict) or (index.get("format"), index.get("version")) != (
        FORMAT,
        VERSION,
    ):
        raise InputError(f"{place / INDEX}: {FORMAT} of version {VERSION} is expected")
    for described in index.get("models", ()):
        yield _loaded(place, described)


def scores(models: Iterator[KnownModel] | list[KnownModel]) -> Iterator[tuple[KnownModel, Any]]:
    """Each model, and how well `verify.learned.finding.find` does on it: a dict of `Score`s."""
    for known in models:
        found = find(of(known.decoder, known.facts), answers_of(known.facts))
        yield known, score(found, known.truth)


def lines(scored: Mapping[str, Score | None]) -> list[str]:
    """A score in words, a line for each part of the structure."""
    said = []
    for part, one in scored.items():
        if one is None:
            said.append(f"{part}: not known")
            continue
        of_found = "nothing found" if one.precision is None else f"precision {one.precision:.3f}"
        of_truth = "nothing planted" if one.recall is None else f"recall {one.recall:.3f}"
        missed = f"; missed {', '.join(one.missed[:3])}" if one.missed else ""
        said.append(f"{part}: {of_found}, {of_truth}{missed}")
    return said


def _described(known: KnownModel) -> dict[str, Any]:
    """A model as the index has it."""
    facts = known.facts
    return {
        "name": known.name,
        "difficulty": known.difficulty,
        "about": known.about,
        "weights": _weights_of(known.name),
        "shape": asdict(known.decoder.shape),
        "dtype": str(known.decoder.embedding.weight.dtype).removeprefix("torch."),
        "facts": {
            "entities": facts.n_entities,
            "relations": facts.n_relations,
            "answers": facts.answers.tolist(),
        },
        "truth": as_json(known.truth),
    }


def _loaded(place: Path, described: Any) -> KnownModel:
    """A model of the index."""
    try:
        decoder = StandardDecoder(
            StandardShape(**described["shape"]), getattr(torch, described["dtype"])
        )
        decoder.load_state_dict(load_file(place / Path(described["weights"]).name))
        return KnownModel(
            described["name"],
            described["difficulty"],
            described["about"],
            decoder,
            FactTable(described["facts"]["answers"]),
            from_json(described["truth"]),
        )
    except InputError:
        raise
    except Exception as error:  # of json's values, of safetensors, of torch
        raise InputError(
            f"{place}: a model of the pack cannot be read: {type(error).__name__}: {error}"
        ) from None


def _weights_of(name: str) -> str:
    """The file of a model's weights."""
    return f"{name}.safetensors"


def _require_new(place: Path) -> None:
    """Raise InputError if something would be overwritten, or the folder cannot be made."""
    if "\0" in str(place):
        raise InputError(f"{str(place)!r} cannot be the name of a folder: it holds a NUL")
    if place.is_dir() and any(place.iterdir()):
        raise InputError(f"{place} is not empty, and nothing is overwritten; name a new folder")
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is a file; name a new folder")
    if not place.absolute().parent.is_dir():
        raise InputError(f"{place} cannot be made: name a folder in an existing one")
