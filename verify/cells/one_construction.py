"""One construction at one size, from Python: what `python -m verify NAME -N -R -k` does."""

from __future__ import annotations

from collections.abc import Mapping

from constructions.catalogue import CATALOGUE, construction, require_new_name
from constructions.entry import Construction
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.guards.user_code import kind_of
from verify.cells.cell import BY, DTYPES, FACT_KINDS, By, Cell, DType, FactKind
from verify.cells.decided_by import proven_beside
from verify.cells.results import CellResult
from verify.cells.verifying import run_cell


def check_construction(
    mine: Construction | str,
    N: int,
    R: int,
    k: int = 1,
    *,
    facts: FactKind = "total",
    options: Mapping[str, int] | None = None,
    dtype: DType = "auto",
    seed: int = 0,
    by: By = "auto",
) -> CellResult:
    """Build a construction on a random table, run every query or prove it (`by`), and hold it
    against its formulas, its margin and every bound that applies.

        result = check_construction(mine, N=100, R=4)
        print(result)                    # PASS: ternary_selector, N = 100, R = 4, k = 1: ...

    Args:
        mine: a user's own, or one of the catalogue by its name; `path/file.py:name` as well.
        N, R, k: entities, relations, hops.
        facts: `total`, or `partial` with a quarter of the facts missing.
        options: of the construction, by name.
        dtype: of the module; `auto` is float32, or float64 where exactness needs it.
        seed: of the random table.
        by: what decides: `proof`, `queries` or `both`; `auto` is `both` where queries are few and
            the model is not large, see `verify.cells.decided_by`.

    Returns:
        All evidence; `verdict` is PASS, FAIL or UNKNOWN, `reason` says why, `str` all in a few
        lines.

    Raises:
        InputError: there is no such construction, it has a name of the catalogue, a size is no
            positive integer, or `facts`, `by` or `dtype` is another word.

    Example:
        >>> check_construction('selector', N=16, R=2).verdict
        'PASS'
    """
    if isinstance(mine, str):
        name, entry = mine, construction(mine)
    elif isinstance(mine, Construction):
        name, entry = mine.name, mine
        if mine is not CATALOGUE.get(mine.name):
            require_new_name(mine)
    else:
        raise InputError(
            f"a Construction, or the name of one, is needed; got {kind_of(mine)}: mine ="
            " Construction(builder, sizing=...)"
        )
    for argument, word, known in (
        ("facts", facts, FACT_KINDS),
        ("by", by, BY),
        ("dtype", dtype, DTYPES),
    ):
        if word not in known:
            raise InputError(f"{argument} must be one of {', '.join(known)}; got {word!r}")
    cell = Cell(
        name,
        whole("N", N, 1),
        whole("R", R, 1),
        whole("k", k, 1),
        facts,
        tuple((options or {}).items()),
        whole("seed", seed, 0),
        dtype,
        given=entry,
    )
    return run_cell(cell, proven_size=proven_beside(by), by=by)
