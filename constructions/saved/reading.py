"""The facts, the names and the codebooks that a folder holds, read without trust."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from constructions.facts.answers import MISSING
from constructions.facts.codes import Codebook
from constructions.facts.named import Names, NamesAlone
from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.guards.errors import FactFileError, InputError
from constructions.guards.memory import require_memory
from constructions.guards.wording import brief
from constructions.saved.manifest import (
    CODEBOOKS,
    FACTS,
    PACKED_FACTS,
    VOCABULARY,
    Manifest,
    holds_sets,
)
from constructions.saved.saved_facts import read_saved_facts
from constructions.saved.tensor_file import read_header


def read_facts(folder: Path, manifest: Manifest) -> Any:
    """The facts of a folder, with the names of its vocabulary: a `FactTable`, or a `SetTable` of a
    model that writes sets.

    Raises:
        InputError: the vocabulary does not hold the names that the sizes ask for, or the facts are
            none of these entities and relations; the message names the file.
        DoesNotFit: the table needs more memory than the machine has.
    """
    sizes = manifest["sizes"]
    n_entities, n_relations = sizes["entities"], sizes["relations"]
    require_memory(
        16 * n_entities * n_relations, f"{folder}: {n_relations:,} x {n_entities:,} facts"
    )
    entities, relations = _read_names(
        folder / VOCABULARY, n_entities, n_relations, manifest["specials"]
    )
    try:
        names = NamesAlone(entities, relations)
    except InputError as error:
        raise InputError(f"{folder / VOCABULARY}: {error}") from None
    many = holds_sets(manifest)
    path = folder / (FACTS if FACTS in manifest["files"] else PACKED_FACTS)
    try:
        if path.name == FACTS:
            return read_saved_facts(path, names, _sets if many else _functions, many)
        return (_packed_sets if many else _packed_functions)(path, names)
    except FactFileError:
        raise
    except InputError as error:
        at = "" if str(path) in str(error) else f"{path}: "
        raise InputError(f"{at}{error}") from None


def _functions(ids: NDArray[np.int64], names: Names) -> FactTable:
    """Facts by number, (facts, 3), each subject and relation once, as functions."""
    answers = np.full((names.n_relations, names.n_entities), MISSING)
    answers[ids[:, 1], ids[:, 0]] = ids[:, 2]
    return FactTable(answers, names.entity_names, names.relation_names)


def _sets(ids: NDArray[np.int64], names: Names) -> SetTable:
    """The same as sets, with any number of objects."""
    every = names.entity_names, names.relation_names
    return SetTable(ids, names.n_entities, names.n_relations, *every)


def _read_names(
    path: Path, n_entities: int, n_relations: int, specials: list[str]
) -> tuple[list[str], list[str]]:
    """The names of the entities and of the relations, if the special tokens follow them, and
    nothing else.
    """
    try:
        *names, beyond = path.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8: {error}") from None
    n_named = n_entities + n_relations
    if beyond or len(names) != n_named + len(specials):
        raise InputError(
            f"{path}: has {len(names)}"
            f" lines{' and, after the last, a piece without an end' if beyond else ''}; lines for"
            f" {n_entities} entities, {n_relations} relations and {len(specials)} special tokens"
            " are expected"
        )
    if names[n_named:] != specials:
        raise InputError(f"{path}: ends with {names[n_named:]}; {specials} is expected")
    return names[:n_entities], names[n_entities:n_named]


def _packed_functions(path: Path, names: Names) -> FactTable:
    """A fact table that is stored as a tensor, int32 (relations, entities)."""
    answers = _packed(path, (names.n_relations, names.n_entities))
    return FactTable(answers, names.entity_names, names.relation_names)


def _packed_sets(path: Path, names: Names) -> SetTable:
    """A table of sets that is stored as a tensor, int32 (facts, 3), each fact once and in
    order.
    """
    declared = read_header(path).get("facts")
    n_facts = declared.shape[0] if declared is not None and declared.shape else 0
    facts = _packed(path, (n_facts, 3))
    table = _sets(facts.astype(np.int64), names)
    if not np.array_equal(table.packed(), facts):
        raise InputError(
            f"{path}: each fact once, by subject, relation and object, is expected; a fact stands"
            " twice or out of order"
        )
    return table


def _packed(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """The one tensor of a file of facts, int32, of this shape."""
    found = {name: tuple(tensor) for name, tensor in read_header(path).items()}
    expected = {"facts": ("I32", shape)}
    if found != expected:
        raise InputError(f"{path}: has the tensors {brief(found)}; {expected} is expected")
    with safe_open(path, framework="np") as file:
        facts: np.ndarray = file.get_tensor("facts")
    return facts


def read_codebooks(folder: Path, d_vocab: int) -> tuple[Codebook, ...]:
    """The codebooks of a folder, each with tokens of a vocabulary of that size.

    Raises:
        InputError: the tensors are not named `0`, `1`, ..., or one of them is no list of tokens
            that increases strictly.
    """
    path = folder / CODEBOOKS
    header = read_header(path)
    names = [str(i) for i in range(len(header))]
    if header.keys() != set(names) or not all(
        tensor.dtype == "I64" and len(tensor.shape) == 1 for tensor in header.values()
    ):
        raise InputError(
            f"{path}: the tensors '0', '1', ... with I64 tokens are expected; found"
            f" {brief(sorted(header))}"
        )
    with safe_open(path, framework="np") as file:
        books = tuple(Codebook(file.get_tensor(name)) for name in names)
    for name, book in zip(names, books, strict=True):
        tokens = book.tokens
        inside = len(tokens) and tokens[0] >= 0 and tokens[-1] < d_vocab
        if not inside or (np.diff(tokens) <= 0).any():
            raise InputError(
                f"{path}: the tokens of codebook {name} must increase strictly within"
                f" 0..{d_vocab - 1}"
            )
    return books
