"""A cell is verified: built, run on every query (or proven, where there are too many), and held
against its formulas and its claims.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bounds.sizes import Sizes, predicted
from constructions.entry import Construction
from constructions.facts.limits import MOST_QUERIES, require_runnable
from constructions.facts.table import FactTable
from constructions.guards.errors import DoesNotFit, InputError, InternalError, UserCodeError
from constructions.guards.memory import is_out_of_memory
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.saved.folder import hold_as_saved, save
from constructions.writing.plan import Plan
from verify.cells.against_bounds import hold_against_bounds
from verify.cells.as_asked import not_as_asked
from verify.cells.cell import By, Cell, DType
from verify.cells.decided_by import PROVEN_IN_A_GRID, Way, way, ways_of_form
from verify.cells.evidence import Ended, MarginFound, ProofFound, SizesFound
from verify.cells.phases import ASKING, BUILDING, COUNTING, PROVING, Begin, unwatched
from verify.cells.results import CellResult
from verify.cells.room import require_disk, require_room
from verify.cells.threads import threads
from verify.kernel.verdict import Verdict as Proven
from verify.queries.answers import Logits, Recall
from verify.queries.capacity import Format, capacity, format_of
from verify.queries.form_answers import FormAnswers
from verify.queries.forms import check_form, make_form, n_run
from verify.queries.recall import check_recall
from verify.queries.sample import Sample
from verify.queries.sampled import check_and_sample

WORK_FOR_THREADS = 5 * 10**9
WORTH_THREADS = 10**7
MOST_COUNTED = 10**8
"""Parameters of a model whose bits are counted where the proof alone decides: counting them in the
format of their size takes a second model. Bounds are held against the formulas' bits then.
"""


def run_cell(
    cell: Cell,
    begin: Begin = unwatched,
    proven_size: int = PROVEN_IN_A_GRID,
    save: Path | None = None,
    by: By = "auto",
    announce: Callable[[str], None] = lambda line: None,
) -> CellResult:
    """Make the cell's table, and verify what is built from it as `verify_facts` does. Never raises
    for what a construction or a check does.
    """
    started = time.perf_counter()
    try:
        entry = cell.entry
        require_room(entry, cell)
        facts = cell.table()
        if cell.form:
            result = _verify_form(entry, facts, cell, begin, by)
        else:
            result, _ = _verify(entry, facts, cell, begin, proven_size, save, by, announce)
        result.verdict  # noqa: B018  # evidence that cannot be judged is a crash of the cell, too
    except UserCodeError as error:
        ended = Ended(error.lines[0], crashed=True, traceback=error.places)
        result = CellResult(cell, cell.dtype, ended=ended)
    except InputError as error:
        result = CellResult(cell, cell.dtype, ended=Ended(str(error)))
    except Exception as error:
        if is_out_of_memory(error):
            ended = Ended(f"out of memory: {error}", out_of_memory=True)
        else:
            why = f"{type(error).__name__}: {error}"
            ended = Ended(why, crashed=True, traceback=traceback.format_exc())
        result = CellResult(cell, cell.dtype, ended=ended)
    return replace(result, seconds=time.perf_counter() - started)


def verify_facts(
    entry: Construction,
    facts: FactTable,
    hops: int = 1,
    options: Mapping[str, int] | None = None,
    dtype: DType = "auto",
    logits: Logits = "auto",
    begin: Begin = unwatched,
    proven_size: int = PROVEN_IN_A_GRID,
    save: Path | None = None,
    by: By = "auto",
    announce: Callable[[str], None] = lambda line: None,
) -> tuple[CellResult, FactModel]:
    """Build a construction from facts and check everything it claims: answers, sizes, margin,
    bounds, certificate.

    What decides the answers is chosen by `verify.cells.decided_by.way`. Where both do, they must
    agree; where the proof decides alone, PASS needs that the module is proven to compute without
    rounding, and that a sample of queries is answered as proven.

    Args:
        entry, facts, hops, options, dtype, logits: as in `Cell`.
        begin: hears of each phase, see `verify.cells.phases`.
        proven_size: a model of at most so many parameters is also proven where queries are run.
        save: a folder for the model; it is proven there.
        by: what decides.
        announce: hears in a line, beforehand, what a large model takes of memory and disk.

    Raises:
        InputError: the construction does not take these facts, or not in this dtype, memory or
            disk; or all queries are to be run, and are too many.
    """
    started = time.perf_counter()
    given = tuple((options or {}).items())
    size = (facts.n_entities, facts.n_relations, hops)
    cell = Cell(entry.name, *size, "given", options=given, dtype=dtype, logits=logits, given=entry)
    result, model = _verify(entry, facts, cell, begin, proven_size, save, by, announce)
    return replace(result, seconds=time.perf_counter() - started), model


def build(
    entry: Construction,
    facts: FactTable,
    hops: int = 1,
    options: Mapping[str, int] | None = None,
    dtype: DType = "auto",
) -> FactModel:
    """Build in the asked dtype; `auto` takes the narrower of float32 and float64 that the builder
    accepts.

    Raises:
        InputError: the construction does not take these facts, or not in this dtype or memory; or
            a user's own builder has made something else than a model.
        UserCodeError: a user's own builder has raised another error, or has made a model of
            something else than it was given.
    """
    asked = torch.float32 if dtype == "auto" else getattr(torch, dtype)
    model: FactModel
    try:
        model = entry.build(facts, hops, options, dtype=asked)
    except DoesNotFit:
        if dtype != "auto":
            raise
        asked = torch.float64
        model = entry.build(facts, hops, options, dtype=asked)
    if not isinstance(model, FactModel):
        raise InputError(
            f"the builder of {entry.name} has returned a {type(model).__name__}; it must be"
            " decorated with @recorded and return draft.plan(...)"
        )
    if other := not_as_asked(model, facts, hops, asked, entry.stored_only):
        raise UserCodeError([f"the builder of {entry.name} {other}"])
    return model


def planned(
    entry: Construction,
    facts: FactTable,
    hops: int,
    options: Mapping[str, int],
    dtype: DType,
) -> Plan[FactModel]:
    """The plan of what `build` makes, in the same dtype. Raises as `build`."""
    asked = torch.float32 if dtype == "auto" else getattr(torch, dtype)
    found: Plan[FactModel]
    try:
        found = entry.plan(facts, hops, options, dtype=asked)
    except DoesNotFit:
        if dtype != "auto":
            raise
        found = entry.plan(facts, hops, options, dtype=torch.float64)
    return found


def saved_and_checked(
    model: FactModel, folder: Path | None = None
) -> tuple[Proven, Sample | None]:
    """Save the model, to a temporary folder if none is given, let the checker prove what is there,
    and run a sample of it. From then on the model holds its weights as they are mapped from there,
    so that they are in memory once.
    """
    with TemporaryDirectory() as temporary:
        folder = folder or Path(temporary) / "model"
        save(model, folder)
        hold_as_saved(model, folder)
        return check_and_sample(folder)


# -------------------------------------------------------------------- steps


def _verify(
    entry: Construction,
    facts: FactTable,
    cell: Cell,
    begin: Begin,
    proven_size: int,
    save: Path | None,
    by: By,
    announce: Callable[[str], None],
) -> tuple[CellResult, FactModel]:
    """See `verify_facts`."""
    planned = facts.n_claimed_queries(cell.hops, entry.stored_only)
    if by in ("queries", "both"):
        require_runnable(planned)
    begin(BUILDING, None)
    model = build(entry, facts, cell.hops, dict(cell.options), cell.dtype)
    result = CellResult(cell, _dtype_of(model), not_claimed=facts.n_queries(cell.hops) - planned)
    chosen, recall = way(by, model.shape, planned, proven_size, save is not None), None
    if chosen.prove and (taken := require_disk(model, save)):
        announce(taken)
    if chosen.run:
        recall = _recall(model, facts, cell, begin)
    claim, proof, own = MarginFound(_claim_of(model), recall), None, format_of(model)
    if chosen.prove:
        begin(PROVING, None)
        every_length = model.n_all_queries()
        with threads(None if _parameters(model) > WORTH_THREADS else 1):
            proven, sample = saved_and_checked(model, save)
        if proven.rounds and by == "auto" and not chosen.run and planned <= MOST_QUERIES:
            recall = _recall(model, facts, cell, begin)  # which decides in floating point
            claim = replace(claim, recall=recall)
        proof = ProofFound(proven, every_length, claim, recall, planned, sample)
    begin(COUNTING, None)
    of_size = None
    if facts.is_bijective and (chosen.run or _parameters(model) <= MOST_COUNTED):
        of_size = _format_of_size(entry, facts, cell)
    sizes = _sizes_of(model, own, of_size, entry, facts, cell)
    bounds = hold_against_bounds(
        sizes.costs if of_size or sizes.expected is None else sizes.expected,
        facts.n_entities,
        facts.n_relations,
        cell.hops,
        facts.is_bijective,
    )
    return replace(
        result, sizes=sizes, bounds=bounds, recall=recall, claim=claim, proof=proof
    ), model


def _recall(model: FactModel, facts: FactTable, cell: Cell, begin: Begin) -> Recall:
    """Run all queries."""
    queries = facts.n_claimed_queries(cell.hops, model.stored_only)
    work = queries * sum(weight.numel() for _, weight in model.internal_weights())
    advance = begin(ASKING, queries)
    with threads(None if work > WORK_FOR_THREADS else 1):
        return check_recall(model, facts, cell.hops, cell.logits, progress=advance)


def _verify_form(
    entry: Construction, facts: FactTable, cell: Cell, begin: Begin, by: By
) -> CellResult:
    """Build a construction, put it in another form, and run that on every query, also of shorter
    paths in a chain; where that takes much work, prove it from the proof of the construction.

    `auto` takes float64 where float32 is refused, by the builder or by what the form certifies,
    and where it leaves a query undecided.

    Raises:
        InputError: neither takes it.
    """
    dtypes: tuple[DType, ...] = ("float32", "float64") if cell.dtype == "auto" else (cell.dtype,)
    begin(BUILDING, None)
    model = build(entry, facts, cell.hops, dict(cell.options), cell.dtype)
    ways = ways_of_form(by, model.shape, model.n_all_queries())
    found, of, refused = None, "", None
    for chosen, dtype in product(ways, dtypes):
        try:
            if _dtype_of(model) != dtype:
                begin(BUILDING, None)
                model = build(entry, facts, cell.hops, dict(cell.options), dtype)
            found, of = _form(model, cell.form, chosen, begin), dtype
        except DoesNotFit as error:
            refused = error
            continue
        if found.verdict != "UNKNOWN":
            break
    if found is None:
        raise refused or InternalError("a form was tried in no dtype")
    others = facts.n_queries(cell.hops) - model.n_queries(cell.hops)
    return CellResult(cell, of, form=found, not_claimed=others)


def _form(model: FactModel, form: str, chosen: Way, begin: Begin) -> FormAnswers:
    """A form of a model, decided in this way.

    Raises:
        DoesNotFit: it cannot be certified in the model's dtype.
        InputError: all queries are to be run, and are too many.
    """
    with threads(1):
        made, source = make_form(model, form, chosen.prove), None
    if chosen.prove:
        require_disk(model, None)
        begin(PROVING, None)
        with threads(None if _parameters(model) > WORTH_THREADS else 1):
            source, sample = saved_and_checked(model)
        if sample is not None and (wrong := list(sample.faults())):
            source = replace(source, verdict="FAIL", reason="; ".join(wrong))
    advance = begin(ASKING, n_run(model, chosen.run))
    with threads(1):
        return check_form(model, made, advance, source, chosen.run)


def _format_of_size(entry: Construction, facts: FactTable, cell: Cell) -> Format:
    """The format of a construction's models of the size of these facts: read off facts that the
    size alone determines.
    """
    rotations = FactTable.rotations(facts.n_entities, facts.n_relations)
    return format_of(build(entry, rotations, cell.hops, dict(cell.options), cell.dtype))


def _sizes_of(
    model: FactModel,
    own: Format,
    of_size: Format | None,
    entry: Construction,
    facts: FactTable,
    cell: Cell,
) -> SizesFound:
    """Count a model's sizes and bits, in the format of its size; where that is None, in its own,
    and the bits are not held against the formulas.
    """
    bits = capacity(model, of_size, own)
    if of_size is None:
        bits = replace(bits, description=0)
    found = Sizes(
        d_model=model.embedding.weight.shape[1],
        d_mlp=model.shape.d_mlp,
        n_layers=model.shape.depth,
        n_heads=model.shape.n_heads,
        parameters=_parameters(model),
        internal_bits=bits.internal_bits,
        embedding_bits=bits.embedding_bits,
        unembedding_bits=bits.unembedding_bits,
    )
    expected = None
    if entry.sizing is not None:
        settled = dict(cell.options) | entry.settled(model)
        expected = predicted(entry, facts, cell.hops, settled)
        if expected is None:
            raise InternalError(f"the formulas of {entry.name} have said nothing")
    steps = -(-cell.hops // model.hops_per_token) if model.hops_per_token else 1
    return SizesFound(found, expected, bits, of_size is not None, steps)


def _claim_of(model: FactModel) -> MarginClaim | str:
    """What is proven of the margin; in words, why nothing is."""
    try:
        return model.margin
    except InputError as error:
        return str(error)


def _parameters(model: FactModel) -> int:
    """How many numbers a model holds."""
    return sum(parameter.numel() for parameter in model.parameters())


def _dtype_of(model: FactModel) -> str:
    """The dtype of the weights, without torch's prefix."""
    return str(model.embedding.weight.dtype).removeprefix("torch.")
