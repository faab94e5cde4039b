"""Cells: one construction at one size, built, run on every query (or proven, where there are too
many), and held against its formulas and its claims.
"""

from __future__ import annotations

import itertools
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, get_args

from constructions.catalogue import CATALOGUE, construction
from constructions.entry import Construction
from constructions.facts.limits import MOST_QUERIES, require_path
from constructions.facts.table import FactTable
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.memory import is_out_of_memory, require_memory
from constructions.guards.wording import shortened
from verify.cli.output import complain

if TYPE_CHECKING:
    from bounds.capacity import Capacity
    from bounds.sizes import Costs
    from constructions.model.fact_model import FactModel, MarginClaim
    from verify.queries.capacity import Format
    from verify.queries.recall import Logits, Recall
    from verify.runner.against_bounds import BoundCheck
    from verify.symbolic.checker import Verdict as Proven

Verdict = Literal["PASS", "FAIL", "UNKNOWN"]
FactKind = Literal["total", "partial"]
DType = Literal["auto", "float32", "float64", "float16", "bfloat16"]
FACT_KINDS: tuple[FactKind, ...] = get_args(FactKind)
DTYPES: tuple[DType, ...] = get_args(DType)
MISSING_SHARE = 0.25
WORK_FOR_THREADS = 5 * 10**9
SMALL = 10_000

GRID_ENTITIES = (1, 2, 3, 5, 16, 100, 1000, 4096)
GRID_RELATIONS = (1, 2, 7, 16)
MULTI_HOP_ENTITIES = (2, 5, 16, 64, 256)
LARGEST_VARIANT = {"hybrid_shared": 16}
LARGEST_OTHER_VARIANT = 64
MULTI_HOP_RELATIONS = (1, 2, 3, 4)
MULTI_HOP_HOPS = (1, 2, 3, 4)
SEPARATED = ((1024, 3), (4096, 2))
FORM_NAMES = (
    "basis",
    "wide",
    "noise",
    "standard",
    "tied",
    "rmsnorm pre",
    "rmsnorm post",
    "layernorm pre",
    "layernorm post",
)
FORM_SIZE = (5, 3, 2)


@dataclass(frozen=True)
class Cell:
    """What is to be verified.

    Attributes:
        construction: name in the catalogue.
        entities, relations, hops: N, R, k.
        facts: `total`, the tables of the theorem, or `partial`, functions with a quarter of the
            facts missing.
        options: the construction's options that are not left to their defaults, (name, value).
        seed: of the random table.
        dtype: of the module; `auto` is float32, or float64 where float32 does not hold the
            construction exactly.
        logits: how answers are decided, see `verify.queries.recall`.
        form: another form that the construction is put in, see `verify.queries.forms`; "" for
            itself.
    """

    construction: str
    entities: int
    relations: int
    hops: int = 1
    facts: FactKind = "total"
    options: tuple[tuple[str, int], ...] = ()
    seed: int = 0
    dtype: DType = "auto"
    logits: Logits = "auto"
    form: str = ""

    def n_queries(self) -> int:
        """N R^k: a Python integer; 2^63 where it is not less."""
        most = 2**63
        if self.relations > 1 and self.hops > 63:
            return most
        return min(most, self.entities * (self.relations**self.hops if self.relations > 1 else 1))

    def table(self) -> FactTable:
        """The random fact table of the cell."""
        entry = construction(self.construction)
        if self.facts == "total":
            return entry.random_facts(self.entities, self.relations, self.seed)
        if entry.random_partial_facts is None:
            raise InputError(
                f"{entry.name} needs {entry.needs}; it takes no table with facts missing"
            )
        return entry.random_partial_facts(self.entities, self.relations, self.seed, MISSING_SHARE)


@dataclass
class CellResult:
    """What was found in a cell. `reason` says why the verdict is not PASS; sizes and counts are
    None if never reached. `unknown` counts the queries that rounding may decide; a cell with some
    is UNKNOWN, if nothing else is wrong.

    `form` and `difference`: another form of the construction, and how far its logits are from the
    original's at most. `proof` is what the checker says of the saved model, None if it was not
    saved (see `SMALL`), and `proven` for how many queries; a chain of thought's are those of every
    length up to `hops`. Where the proof alone decides, `logits` is "proof", no query is run, and
    `margin` is the proven one. The bits are B_T (dense, and those of facts), B_e and B_u of
    Theorem 4.2; `separated` is the factor by which a model with chain-of-thought lies below every
    model without that has embeddings as small and a fixed unembedding.
    """

    construction: str
    theorem: str
    entities: int
    relations: int
    hops: int
    facts: str
    dtype: str
    options: dict[str, int] = field(default_factory=dict)
    verdict: Verdict = "UNKNOWN"
    reason: str = ""
    queries: int | None = None
    wrong: int | None = None
    unknown: int | None = None
    margin: float | None = None
    margin_claim: str | None = None
    proof: Verdict | None = None
    proven: int | None = None
    d_model: int | None = None
    d_model_formula: int | None = None
    d_mlp: int | None = None
    n_layers: int | None = None
    n_heads: int | None = None
    parameters: int | None = None
    internal_bits: int | None = None
    internal_fact_bits: int | None = None
    embedding_bits: int | None = None
    unembedding_bits: int | None = None
    bounds: list[BoundCheck] = field(default_factory=list)
    separated: float | None = None
    logits: str | None = None
    form: str = ""
    difference: float | None = None
    counterexamples: list[str] = field(default_factory=list)
    seconds: float = 0.0


def default_grid() -> list[Cell]:
    """The cells of `python -m verify all`: every construction at every size of its grid.

    One hop: total and partial facts at every size. Many hops: total facts at every size, partial
    facts at N = 16; the hybrids with every number of looked-up relations and chains of thought
    with every step length at N = 5. Variants of a builder (shared layers, depth 1) stop at N = 64
    or 16, which keeps the whole run near a minute and a half. Then sizes at which Theorem 4.2
    bites: two at which chain-of-thought is separated, one where a memory is near its bound. At
    last every construction in every other form, at one small size.
    """
    cells = []
    for entry in CATALOGUE.values():
        if not entry.multi_hop:
            sizes = itertools.product(GRID_ENTITIES, GRID_RELATIONS, FACT_KINDS)
            cells += [Cell(entry.name, n, r, facts=facts) for n, r, facts in sizes]
            continue
        largest = (
            LARGEST_VARIANT.get(entry.name, LARGEST_OTHER_VARIANT)
            if entry.fixed
            else max(MULTI_HOP_ENTITIES)
        )
        entities = [n for n in MULTI_HOP_ENTITIES if n <= largest]
        for n, r, k in itertools.product(entities, MULTI_HOP_RELATIONS, MULTI_HOP_HOPS):
            cells.append(Cell(entry.name, n, r, k))
            if n == 16 and entry.random_partial_facts is not None:
                cells.append(Cell(entry.name, n, r, k, facts="partial"))
            if n == 5 and entry.file == "hybrid":
                cells += [
                    Cell(entry.name, n, r, k, options=(("looked_up", q),))
                    for q in range(r + 1)
                    if q != r - 1
                ]
            if n == 5 and entry.name == "chain_of_thought":
                steps = [(("max_hops", k), ("hops_per_token", j)) for j in range(2, k + 1)]
                cells += [Cell(entry.name, n, r, k, options=options) for options in steps]
    cells += [Cell("chain_of_thought", n, 4, k, options=(("max_hops", k),)) for n, k in SEPARATED]
    cells.append(Cell("key_value_rows_shared", 1024, 8, 2))
    n, r, k = FORM_SIZE
    forms = itertools.product(CATALOGUE.values(), FORM_NAMES)
    return cells + [
        Cell(entry.name, n, r, k if entry.multi_hop else 1, form=form) for entry, form in forms
    ]


def forms_grid() -> list[Cell]:
    """The further cells of `python -m verify all --forms`: each of the default grid
    in every form.
    """
    default = dict.fromkeys(default_grid())
    forms = (replace(cell, form=form) for cell in default if not cell.form for form in FORM_NAMES)
    return [cell for cell in forms if cell not in default]


def run_cell(
    cell: Cell,
    progress: Callable[[int], None] = lambda queries: None,
    proven_size: int = SMALL,
    save: Path | None = None,
) -> CellResult:
    """Make the cell's table, then `verify_facts`. Never raises for what a construction or a check
    does.
    """
    entry = construction(cell.construction)
    started = time.perf_counter()
    try:
        options = dict(cell.options)
        _require_room(entry, cell)
        facts = cell.table()
        if cell.form:
            result = verify_form(entry, facts, cell.hops, options, cell.dtype, cell.form)
        else:
            result, _ = verify_facts(
                entry,
                facts,
                cell.hops,
                options,
                cell.dtype,
                cell.logits,
                progress,
                proven_size,
                save,
            )
    except InputError as error:
        result = _blank(entry, cell.entities, cell.relations, cell.hops, cell.dtype)
        result.reason = str(error)
    except Exception as error:
        result = _blank(entry, cell.entities, cell.relations, cell.hops, cell.dtype)
        if is_out_of_memory(error):
            result.reason = f"out of memory: {error}"
        else:  # a crash is a failed check, reported in full
            for line in traceback.format_exc().splitlines():
                complain(line)
            result.verdict, result.reason = "FAIL", f"crashed: {type(error).__name__}: {error}"
    result.facts, result.options, result.form = cell.facts, dict(cell.options), cell.form
    result.seconds = time.perf_counter() - started
    return result


def _require_room(entry: Construction, cell: Cell) -> None:
    """Raise DoesNotFit, before any table is made, for paths that are too long, and for bijections
    whose weights, at two bytes a number, exceed the memory by the formulas.
    """
    from bounds.sizes import predicted_for_bijections

    for name, value in (("hops", cell.hops), *cell.options):
        if name in ("hops", "max_hops", "hops_per_token"):
            require_path(value, name)
    looked_up = dict(cell.options).get("looked_up", 0)
    if cell.facts == "total" and entry.takes_bijections and looked_up <= cell.relations:
        size = (cell.entities, cell.relations, cell.hops)
        parameters = predicted_for_bijections(entry, *size, dict(cell.options)).parameters
        require_memory(
            2 * parameters, f"the weights of {entry.name} ({shortened(parameters)} parameters)"
        )


def verify_facts(
    entry: Construction,
    facts: FactTable,
    hops: int = 1,
    options: Mapping[str, int] | None = None,
    dtype: DType = "auto",
    logits: Logits = "auto",
    progress: Callable[[int], None] = lambda queries: None,
    proven_size: int = SMALL,
    save: Path | None = None,
) -> tuple[CellResult, FactModel]:
    """Build a construction from facts and check everything it claims: recall, sizes, margin,
    bounds, certificate.

    A model of at most `proven_size` parameters is also saved, and its certificate checked: the two
    opinions must agree. So is a larger one, if `save` names a folder for it. Where there are more
    queries than are run, see `require_runnable`, the certificate alone decides, whatever the size:
    PASS only if the module is proven to compute without rounding.

    Raises:
        InputError: the construction does not take these facts, or not in this dtype or memory.
    """
    from bounds.sizes import Sizes, predicted
    from verify.queries.capacity import capacity
    from verify.queries.recall import check_recall
    from verify.runner.against_bounds import hold_against_bounds, separation_factor

    started = time.perf_counter()
    given = _format_of_size(entry, facts, hops, options, dtype) if facts.is_bijective else None
    model = build(entry, facts, hops, options, dtype)
    result = _blank(
        entry, facts.n_entities, facts.n_relations, hops, str(model.embedding.weight.dtype)[6:]
    )
    planned = facts.n_queries(hops)
    work, recall = planned * sum(w.numel() for _, w in model.internal_weights()), None
    if planned <= MOST_QUERIES:
        with _threads(None if work > WORK_FOR_THREADS else 1):
            recall = check_recall(model, facts, hops, logits, progress=progress)
    bits = capacity(model, given)
    # to facts that are no bijections no bound applies, and a model is in its own format
    if given is None:
        bits = replace(bits, description=0)
    found = Sizes(
        d_model=model.embedding.weight.shape[1],
        d_mlp=model.shape.d_mlp,
        n_layers=model.shape.depth,
        n_heads=model.shape.n_heads,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        internal_bits=bits.internal_bits,
        embedding_bits=bits.embedding_bits,
        unembedding_bits=bits.unembedding_bits,
    )
    expected = predicted(entry, facts, hops, options)
    costs = replace(expected, **asdict(found))
    checks = hold_against_bounds(
        costs, facts.n_entities, facts.n_relations, hops, facts.is_bijective
    )
    if recall is not None:
        result.queries, result.wrong, result.unknown = recall.queries, recall.wrong, recall.unknown
        result.margin = recall.margin
        result.logits, result.counterexamples = recall.logits, recall.counterexamples
    result.d_model, result.d_model_formula = found.d_model, expected.d_model
    result.d_mlp, result.n_layers, result.n_heads = found.d_mlp, found.n_layers, found.n_heads
    result.parameters = found.parameters
    result.internal_bits, result.internal_fact_bits = costs.internal_bits, costs.internal_fact_bits
    result.embedding_bits, result.unembedding_bits = costs.embedding_bits, costs.unembedding_bits
    result.bounds, result.separated = checks, separation_factor(costs, checks, facts.is_bijective)
    claim = _claim_of(model)
    result.margin_claim = _in_words(claim)
    faults = list(_faults(claim, costs, expected, checks, facts.is_bijective))
    faults += _outside_the_format(bits, expected)
    doubts: list[str] = []
    if recall is not None:
        faults += _recall_faults(claim, recall, planned)
        doubts += _open_questions(recall)
    if recall is None or save is not None or found.parameters <= proven_size:
        proven = saved_and_checked(model, save)
        result.proof = proven.verdict
        wrong, open_ = _disagreements(model, claim, facts, recall, proven)
        faults, doubts = faults + wrong, doubts + open_
        if proven.verdict == "PASS":
            result.proven = proven.queries
        if recall is None:
            doubts += _undecided(proven)
            doubts = [
                f"N R^k = {shortened(planned)} queries are too many to be run: {doubt}"
                for doubt in doubts
            ]
            result.logits, result.queries = "proof", 0
            result.margin = float(proven.margin) if proven.exact else None
    result.verdict, result.reason = _verdict(faults, doubts)
    result.seconds = time.perf_counter() - started
    return result, model


def verify_form(
    entry: Construction,
    facts: FactTable,
    hops: int,
    options: Mapping[str, int] | None,
    dtype: DType,
    form: str,
) -> CellResult:
    """Build a construction, put it in another form, and run that on every query, also of shorter
    paths in a chain.

    `auto` takes float64 where float32 is refused, by the builder or by what the form certifies.

    Raises:
        InputError: neither takes it.
    """
    from verify.queries.forms import formed

    try:
        model = build(entry, facts, hops, options, dtype)
        with _threads(1):
            found = formed(model, form)
    except DoesNotFit:
        if dtype != "auto":
            raise
        return verify_form(entry, facts, hops, options, "float64", form)
    result = _blank(
        entry, facts.n_entities, facts.n_relations, hops, str(model.embedding.weight.dtype)[6:]
    )
    shape = found.model.shape
    result.queries, result.wrong, result.unknown = found.queries, found.wrong, found.unknown
    result.margin, result.difference = found.margin, found.difference
    result.d_model, result.d_mlp, result.logits = shape.d_model, shape.d_mlp, "full"
    result.n_layers, result.n_heads = shape.depth, shape.n_heads
    result.parameters = sum(parameter.numel() for parameter in found.model.parameters())
    allowed = (
        "only the answers"
        if found.allowed == float("inf")
        else f"each logit within {found.allowed:.3g}"
    )
    result.margin_claim = f"the original's: {allowed}"
    result.verdict, result.reason = _verdict(found.faults, found.questions)
    return result


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Run with this many threads (None: as many as torch was given), and restore.

    Small products gain nothing from more than one, and lose much where another process has the
    other core.
    """
    import torch

    given = torch.get_num_threads()
    torch.set_num_threads(count or given)
    try:
        yield
    finally:
        torch.set_num_threads(given)


def _format_of_size(
    entry: Construction,
    facts: FactTable,
    hops: int,
    options: Mapping[str, int] | None,
    dtype: DType,
) -> Format:
    """The format of a construction's models of the size of these facts: read off facts that the
    size alone determines.
    """
    from verify.queries.capacity import format_of

    return format_of(
        build(
            entry, FactTable.rotations(facts.n_entities, facts.n_relations), hops, options, dtype
        )
    )


def _outside_the_format(bits: Capacity, expected: Costs) -> Iterator[str]:
    """What depends on the facts, and is not counted among the bits of the format."""
    if bits.outside:
        yield f"sizes, widths or constants depend on the facts, and are counted: {bits.outside}"
    if bits.other_unembedding and not expected.unembedding_fact_bits:
        yield "the unembedding depends on the facts, and is claimed not to"


def build(
    entry: Construction,
    facts: FactTable,
    hops: int = 1,
    options: Mapping[str, int] | None = None,
    dtype: DType = "auto",
) -> FactModel:
    """Build in the asked dtype; `auto` takes the narrower of float32 and float64 that the builder
    accepts.
    """
    import torch

    if dtype != "auto":
        return entry.build(facts, hops, options, dtype=getattr(torch, dtype))
    try:
        return entry.build(facts, hops, options, dtype=torch.float32)
    except DoesNotFit:
        return entry.build(facts, hops, options, dtype=torch.float64)


def _verdict(faults: list[str], questions: list[str]) -> tuple[Verdict, str]:
    """FAIL if something is not as claimed, else UNKNOWN if a question is open; and why."""
    return ("FAIL" if faults else "UNKNOWN" if questions else "PASS"), "; ".join(
        faults or questions
    )


def _open_questions(recall: Recall) -> Iterator[str]:
    """Why the pass over all queries decides less than all of them."""
    if recall.unknown:
        yield f"{recall.unknown} of {recall.queries} queries are undecided: {recall.reason}"
    elif recall.reason is not None:
        yield recall.reason


def _faults(
    claim: MarginClaim | str,
    costs: Costs,
    expected: Costs,
    checks: list[BoundCheck],
    bijective: bool,
) -> Iterator[str]:
    """What is not as claimed of the sizes. A comparison with NaN is false, so each is written to
    hold, then negated.
    """
    from verify.runner.against_bounds import below_bounds

    if different := expected.differs_from(costs, bijective):
        yield different
    yield from below_bounds(costs, checks)
    if isinstance(claim, str):
        yield claim
    elif not claim.real > 0:
        yield f"the margin claimed in real arithmetic is {shortened(claim.real)}, not positive"


def _recall_faults(claim: MarginClaim | str, recall: Recall, planned: int) -> Iterator[str]:
    """What the pass over all queries has found that is not as claimed; comparisons as in
    `_faults`.
    """
    if recall.defect is not None:
        yield recall.defect
    judged = recall.reason is None or recall.queries > 0
    if judged and recall.queries != planned:
        yield f"{recall.queries:,} queries were run, N R^k = {shortened(planned)}"
    if recall.wrong != 0:
        yield f"{recall.wrong} wrong answers"
    if not judged:
        return
    if not recall.margin > 0 and not recall.unknown:
        yield f"the smallest margin is {recall.margin}, not positive"
    if isinstance(claim, str):
        return
    if not recall.margin >= claim.in_dtype:
        yield (
            f"the smallest margin is {recall.margin}, claimed is at least"
            f" {shortened(claim.in_dtype)}"
        )
    if claim.attained and recall.margin != claim.in_dtype:
        yield (
            f"the smallest margin is {recall.margin}, claimed is exactly"
            f" {shortened(claim.in_dtype)}"
        )


def saved_and_checked(model: FactModel, folder: Path | None = None) -> Proven:
    """Save the model, to a temporary folder if none is given, and let the checker prove what is
    there.
    """
    from constructions.saved.folder import save
    from verify.symbolic.checker import check

    with TemporaryDirectory() as temporary:
        folder = folder or Path(temporary) / "model"
        save(model, folder)
        return check(folder)


def _disagreements(
    model: FactModel,
    claim: MarginClaim | str,
    facts: FactTable,
    recall: Recall | None,
    proven: Proven,
) -> tuple[list[str], list[str]]:
    """Where the checker, from the saved weights, says other things than the construction and the
    forward pass.

    Returns:
        What is wrong, and what is not decided: that the checker cannot prove what the construction
        claims refutes nothing.
    """
    if proven.verdict != "PASS":
        reported = [f"the checker says {proven.verdict} of the saved model: {proven.reason}"]
        return (reported, []) if proven.verdict == "FAIL" else ([], reported)
    wrong, open_ = [], []
    planned = sum(map(facts.n_queries, model.path_lengths))
    if proven.queries != planned:
        wrong.append(
            f"{shortened(proven.queries)} queries are proven; there are {shortened(planned)}"
        )
    rounds = None if isinstance(claim, str) else claim.rounds
    if proven.exact is None and rounds is False:
        open_.append(
            f"no rounding is claimed ({_in_words(claim)}), and not proven: {proven.rounds}"
        )
    if proven.exact is not None and rounds:
        wrong.append(
            f"the checker says exact in {proven.exact}, but the construction claims that it rounds"
        )
    if not proven.real_margin > 0:
        wrong.append(
            f"the checker has proven a margin of {shortened(proven.real_margin)} in real"
            " arithmetic"
        )
    if recall is not None:
        if recall.wrong != 0 or (not recall.margin > 0 and not recall.unknown):
            wrong.append(f"the checker has proven a model with {recall.wrong} wrong answers")
        if proven.exact is not None and recall.unknown:
            wrong.append(
                f"the checker says exact in {proven.exact}, but rounding may decide"
                f" {recall.unknown} queries"
            )
        if proven.exact is not None and recall.queries and not recall.margin >= proven.margin:
            wrong.append(
                f"the checker has proven a margin of {shortened(proven.margin)}, measured is"
                f" {recall.margin}"
            )
    return wrong, open_


def _undecided(proven: Proven) -> list[str]:
    """Why a proof alone does not decide about the module, in words; nothing if it does or the
    proof's verdict says so.
    """
    if proven.verdict != "PASS" or proven.exact is not None:
        return []
    return [
        f"all answers are proven in real arithmetic, but not in floating point: {proven.rounds}"
    ]


def _claim_of(model: FactModel) -> MarginClaim | str:
    """What is proven of the margin; in words, why nothing is."""
    try:
        return model.margin
    except InputError as error:
        return str(error)


def _in_words(claim: MarginClaim | str) -> str:
    if isinstance(claim, str):
        return claim
    real = f"at least {float(claim.real):.6g} in real arithmetic"
    return (
        f"{real}; {'exactly' if claim.attained else 'at least'} {float(claim.in_dtype):.6g} in the"
        " dtype of the module"
    )


def _blank(
    entry: Construction, entities: int, relations: int, hops: int, dtype: str
) -> CellResult:
    return CellResult(entry.name, entry.theorem, entities, relations, hops, "given", dtype)
