"""`--noise-tokens` of the one-hop constructions: their prompts with subject and relation anywhere
among noise tokens, all proven.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING, Any

from constructions.facts.noise_prompts import SHORTEST
from constructions.guards.errors import InputError
from constructions.guards.wording import shortened
from verify.cells.cell import Cell
from verify.cli.output import say, say_verdict
from verify.cli.status import FAILED, PASSED
from verify.cli.written_files import check_writable, write_text

if TYPE_CHECKING:  # which takes a second to import
    from constructions.model.noise_reader import NoiseReader
    from verify.queries.noise_sample import PromptsFound


def run_among_noise(cell: Cell, noise: int, options: argparse.Namespace) -> int:
    """Build a construction as a reader of such prompts, prove all of them and run some.

    Args:
        cell: the construction and its size.
        noise: how many tokens of a prompt are noise, beside subject, relation and end token.
        options: of the command.

    Raises:
        InputError: the construction does not read such prompts, or an option does not go with
            them.
    """
    given = {"--form": cell.form, "--save": options.save, "--by": options.by != "auto"}
    if clash := [name for name, value in given.items() if value]:
        raise InputError(
            f"--noise-tokens has a proof and a sample of its own; it takes no {clash[0]}"
        )
    check_writable(options.json)
    from constructions import read_among_noise
    from verify.cells.room import require_room
    from verify.cells.verifying import build
    from verify.queries.noise_sample import check_prompts

    started, entry = time.perf_counter(), cell.entry
    require_room(entry, cell)
    model = build(entry, cell.table(), cell.hops, dict(cell.options), cell.dtype)
    reader = read_among_noise(model, noise + SHORTEST)
    found = check_prompts(reader)
    _say(cell, reader, found)
    queries = reader.facts.n_claimed_queries(1, reader.stored_only)
    reported = next(iter([*found.faults(), *found.doubts()]), "")
    say_verdict(
        f"{found.verdict}: {queries:,} queries, each in {shortened(reader.prompts.of_a_query)}"
        f" prompts, in {time.perf_counter() - started:.1f} s" + (reported and f": {reported}")
    )
    write_text(options.json, lambda: json.dumps(_as_json(cell, reader, found), indent=1) + "\n")
    return PASSED if found.verdict == "PASS" else FAILED


def _say(cell: Cell, reader: NoiseReader, found: PromptsFound) -> None:
    """Print what was built, and what was found."""
    shape, prompts, proven = reader.network.shape, reader.prompts, found.proven
    say(
        f"{cell.construction}, N = {cell.entities:,}, R = {cell.relations:,}: prompts of"
        f" {prompts.length} tokens, subject and relation anywhere"
    )
    say(
        f"    d_model {shape.d_model}, d_mlp {shape.d_mlp}, {shape.n_heads} head,"
        f" {shape.n_parameters():,} parameters; a vocabulary of {prompts.noise_tokens:,} noise"
        " tokens"
    )
    if proven.verdict == "PASS":
        say(
            f"    proof: PASS: all {shortened(proven.queries)} prompts are answered right, in real"
            " arithmetic"
        )
        rounding = f"exact in {proven.exact}" if proven.exact else "what rounding does is open"
        say(f"    margin: at least {shortened(proven.real_margin)} in real arithmetic; {rounding}")
    else:
        say(f"    proof: {proven.verdict}: {proven.reason}")
    say(
        f"    sample: {found.prompts} random prompts (seed {found.seed}), {found.wrong} wrong,"
        f" smallest margin {found.margin:g}"
    )


def _as_json(cell: Cell, reader: NoiseReader, found: PromptsFound) -> dict[str, Any]:
    """The same as numbers; those that may be long are texts."""
    shape, proven = reader.network.shape, found.proven
    return {
        "construction": cell.construction,
        "entities": cell.entities,
        "relations": cell.relations,
        "prompt_length": reader.prompts.length,
        "noise_tokens": reader.prompts.noise_tokens,
        "d_model": shape.d_model,
        "d_mlp": shape.d_mlp,
        "parameters": shape.n_parameters(),
        "verdict": found.verdict,
        "reasons": [*found.faults(), *found.doubts()],
        "prompts_proven": str(proven.queries),
        "margin": str(proven.margin),
        "exact": proven.exact,
        "prompts_run": found.prompts,
        "wrong": found.wrong,
        "smallest_margin": found.margin,
    }
