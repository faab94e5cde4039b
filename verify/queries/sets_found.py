"""A table of sets, built, proven, run and held against the formulas of its sizes and the bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from bounds.logarithms import round_down
from bounds.lower_bound import Bound
from bounds.sets_of_answers import sets_bound, tables_of_sets
from constructions.catalogue import OF_SETS
from constructions.facts.set_table import SetTable
from constructions.model.set_model import SetModel
from constructions.saved.folder import save
from constructions.sizes.sets_of_answers import SetSizes, sets_of_answers
from constructions.sizes.sizing import Sizing
from verify.kernel.verdict import Verdict as Proven
from verify.queries.evidence import Evidence
from verify.queries.sample import Sample
from verify.queries.sampled import check_and_sample


@dataclass(frozen=True)
class SetsFound(Evidence):
    """What was found of a model of sets.

    Attributes:
        proven: what the checker says of the saved model.
        sample: of the sets that it was asked to write; None without a proof.
        sizing: its sizes by the formulas.
        d_model, parameters: of the module.
        fact_bits: in all embeddings together.
        table_bits: that name a table with sets of these sizes and possible answers, rounded down.
        bound: on the bits of internal weights.
    """

    proven: Proven
    sample: Sample | None
    sizing: Sizing
    d_model: int
    parameters: int
    fact_bits: int
    table_bits: float
    bound: Bound

    def faults(self) -> Iterator[str]:
        """A wrong answer, another size than the formulas give, and fewer bits than the bounds."""
        if self.proven.verdict == "FAIL":
            yield self.proven.reason
        if self.sample is not None:
            yield from self.sample.faults()
        if (found := (self.d_model, self.parameters)) != (
            expected := (self.sizing.d_model, self.sizing.parameters)
        ):
            yield f"d_model and parameters are {found}, and the formulas give {expected}"
        if not self.fact_bits >= self.table_bits:
            yield f"{self.fact_bits} bits of facts are fewer than {self.table_bits}: a bound fails"
        if not self.sizing.internal_bits >= self.bound.bits:
            yield f"{self.sizing.internal_bits} internal bits are fewer than {self.bound}"

    def doubts(self) -> Iterator[str]:
        """What is not proven, and why no set was run."""
        if self.proven.verdict == "UNKNOWN":
            yield self.proven.reason
        if self.sample is not None:
            yield from self.sample.doubts()


def sizing_of(facts: SetTable) -> Sizing:
    """The sizes of the model of a table of sets, by the formulas."""
    most, answers = int(facts.most.max()), possible_answers(facts)
    return sets_of_answers(
        SetSizes(facts.n_entities, facts.n_relations, facts.places, most, answers)
    )


def possible_answers(facts: SetTable) -> int:
    """T, how many entities are answers: the unembedding has codes for these alone."""
    return len(np.unique(facts.triples[:, 2]))


def build_and_prove(
    facts: SetTable, dtype: torch.dtype = torch.float32, folder: Path | None = None
) -> tuple[SetModel, SetsFound]:
    """Build the model of a table of sets, save it (in a temporary folder where none is given),
    prove what is saved, and run a sample of its sets.

    Raises:
        InputError: see the builder, and `constructions.saved.folder.save`.
        DoesNotFit: the weights need more memory than the machine has, or a wider dtype.
    """
    model: SetModel = OF_SETS.constructor()(facts, dtype=dtype)
    with TemporaryDirectory() as temporary:
        place = Path(temporary) / "model" if folder is None else folder
        save(model, place)
        proven, sample = check_and_sample(place)
    sizing = sizing_of(facts)
    answers = possible_answers(facts)
    tables = tables_of_sets(answers, facts.sizes.ravel().tolist())
    return model, SetsFound(
        proven,
        sample,
        sizing,
        model.shape.d_model,
        model.shape.n_parameters(),
        facts.n_entities * sizing.embedding_fact_bits,
        round_down(tables.lower),
        sets_bound(facts.n_entities, facts.sizes, sizing.embedding_bits, answers),
    )
