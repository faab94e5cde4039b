"""Two saved models, each proven from its files alone, and which of their answers differ.

A model that is proven answers as its facts say. So where both are, the answers that differ are
those that differ between the two tables, and all others are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from constructions.facts.changed_answers import ChangedAnswers, changed_answers
from constructions.facts.table import FactTable
from constructions.files.undisturbed import undisturbed
from constructions.guards.errors import InputError
from constructions.saved.agreement import require_contents, require_files
from constructions.saved.manifest import QUERIES, holds_sets, read_manifest
from constructions.saved.reading import read_facts
from verify.checking.check import check
from verify.kernel.verdict import Verdict as Proven


@dataclass(frozen=True, eq=False)
class ProvenTable:
    """A saved model: what is proven of it, and the facts that it answers.

    Attributes:
        folder: of the model.
        proven: what the checkers say.
        facts: its table.
        lengths: of the paths that it answers.
        stored_only: whether it claims the answers to stored queries alone.
    """

    folder: Path
    proven: Proven
    facts: FactTable
    lengths: range
    stored_only: bool


def proven_table(folder: Path, by: str = "auto") -> ProvenTable:
    """Prove a saved model, and read its facts: both of one folder, also where another program
    replaces it meanwhile.

    Args:
        folder: as `constructions.save` writes it.
        by: the checker that is asked, see `verify.checking.check`.

    Raises:
        InputError: it is no such folder, not as it was saved, or of a model that writes sets.
    """

    def both() -> ProvenTable:
        """What is there now."""
        manifest = read_manifest(folder)
        require_files(folder, manifest["files"])
        require_contents(folder, manifest)
        if holds_sets(manifest):
            raise InputError(
                f"{folder}: writes sets of answers, which diff does not compare; it takes models"
                " that answer paths"
            )
        facts = read_facts(folder, manifest)
        longest, writes = manifest["sizes"]["hops"], len(manifest["specials"]) > 1
        lengths = range(1 if writes else longest, longest + 1)
        stored_only = manifest["queries"] == QUERIES[True]
        return ProvenTable(folder, check(folder, by), facts, lengths, stored_only)

    try:
        return undisturbed(folder, both)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from None


def compared(old: ProvenTable, new: ProvenTable, hops: int) -> ChangedAnswers:
    """Which answers to paths of 1 to k relations differ; both models must be proven.

    Raises:
        InputError: see `constructions.changed_answers`, or one of them is not proven.
    """
    for table in (old, new):
        if table.proven.verdict != "PASS":
            raise InputError(f"{table.folder}: is not proven: {table.proven.reason}")
    return changed_answers(old.facts, new.facts, hops)
