"""The facts, the names and the codebooks that a folder holds, read without trust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import safe_open

from constructions.facts.answers import MISSING
from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from constructions.guards.wording import brief
from constructions.saved.manifest import CODEBOOKS, FACTS, PACKED_FACTS, VOCABULARY, Manifest
from constructions.saved.saved_facts import read_saved_facts
from constructions.saved.tensor_file import read_header


def read_facts(folder: Path, manifest: Manifest) -> FactTable:
    """The facts of a folder, with the names of its vocabulary.

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
        blank = FactTable(np.full((n_relations, n_entities), MISSING), entities, relations)
    except InputError as error:
        raise InputError(f"{folder / VOCABULARY}: {error}") from None
    path = folder / (FACTS if FACTS in manifest["files"] else PACKED_FACTS)
    answers = read_saved_facts(path, blank) if path.name == FACTS else _packed_answers(path, blank)
    try:
        return FactTable(answers, entities, relations)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


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


def _packed_answers(path: Path, blank: FactTable) -> np.ndarray:
    """The answers of a fact table that is stored as a tensor, int32 (relations, entities)."""
    found = {name: tuple(tensor) for name, tensor in read_header(path).items()}
    expected = {"facts": ("I32", blank.answers.shape)}
    if found != expected:
        raise InputError(f"{path}: has the tensors {brief(found)}; {expected} is expected")
    with safe_open(path, framework="np") as file:
        answers: np.ndarray = file.get_tensor("facts")
    return answers


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
