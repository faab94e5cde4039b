"""`verify check`, `attack` and `export`: what is done with a saved model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from constructions.export import TOOLS
from constructions.files.folders import require_folder
from constructions.guards.errors import InputError
from constructions.guards.wording import joined
from verify.cli.commands.long_work import Finished, add_running, run
from verify.cli.commands.options import MADE_BY, Commands, Paragraphs, add_json, add_own
from verify.cli.commands.own import builder_of
from verify.cli.output import complain_interrupted, folded, say, say_text, say_verdict
from verify.cli.progress import progress
from verify.cli.status import FAILED, PASSED
from verify.cli.values import count, margin, size
from verify.cli.written_files import check_folder, check_writable, write_text
from verify.queries.evidence import worst

if TYPE_CHECKING:  # which takes a second to import
    from constructions.model.answering import Answering
    from verify.attacking.attack import Tally

ATTACKS = ("flips", "flips-listed", "weights", "swaps", "facts", "forgeries")
"""The kinds of `verify.attacking.kinds`, which imports torch, as help does not."""
CHECKERS = ("auto", "both", "kernel", "symbolic")
"""`verify.checking.check.CHOICES`, without which both checkers would be imported for help."""
WORTH_WORKERS = 10.0
"""Seconds of attacks for which other processes, which take some to begin, are worth while."""


def add_check(commands: Commands) -> None:
    """The words of `verify check`."""
    parser = commands.add_parser(
        "check",
        help=(
            "prove a saved model right from its weights and facts alone, without the builders, and"
            " run a sample of its queries"
        ),
        description=(
            "Proves from a model folder alone that every query is answered right (where a model"
            " claims stored facts alone, every one of these, which is said), in integers:"
            " two checkers, each by itself, prove it from the weights, the facts and the claims of"
            " certificate.json (see --by). A sample of 256 queries, or all if there are fewer, is"
            " then run through a module made of the stored weights: a difference refutes it. See"
            " docs/certificates.md. The folder of a rounded trained model (`save_rounded`) is"
            " recognised: all its facts are computed in exact integers, see"
            " docs/trained-proofs.md. So is that of a form (`save_form`): its construction is"
            " proven, and how far its logits may be from that, or each query is run, see"
            " docs/forms.md. Exit status 0 if proven, 1 if refuted or undecided."
        ),
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="as written by --save, by `save`, `save_form` or `save_rounded`",
    )
    parser.add_argument(
        "--by",
        choices=CHECKERS,
        default="auto",
        help=(
            "which checker: the kernel, which tabulates; the symbolic one, fast also for large"
            " tables; or both, which must agree (default auto: both where that takes seconds,"
            " else the symbolic one, and the kernel where that does not decide)"
        ),
    )
    add_json(parser)
    parser.set_defaults(run=_run_check)


def add_attack(commands: Commands) -> None:
    """The words of `verify attack`."""
    parser = commands.add_parser(
        "attack",
        help=(
            "change a saved model in many ways: is every change that makes an answer wrong refused"
            " by the checker?"
        ),
        description=(
            "Flips bits, changes weights, swaps rows, alters facts and forges certificates of a"
            " saved model, in memory. What the checker accepts must answer every query right in"
            " the forward pass. Exit status 1 if the checker is fooled, or if a kind has generated"
            " nothing."
        ),
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="a small model: what is accepted is run on all queries",
    )
    parser.add_argument(
        "-n",
        type=size,
        default=1000,
        metavar="NUMBER",
        help="attacks of each kind (default 1000)",
    )
    parser.add_argument(
        "--kind",
        action="append",
        metavar="KIND",
        help=f"one of {', '.join(ATTACKS)}; may be repeated",
    )
    parser.add_argument(
        "--seed", type=count, default=0, help="of the random choices, at least 0 (default 0)"
    )
    add_own(parser, MADE_BY)
    add_running(parser)
    parser.set_defaults(run=_run_attack)


def add_export(commands: Commands) -> None:
    """The words of `verify export`."""
    parser = commands.add_parser(
        "export",
        help=(
            "write a saved model for TransformerLens, Hugging Face transformers or ONNX, and ask"
            " it there"
        ),
        description=(
            "Turns a saved model into a standard decoder with the same logits, writes it as\n"
            "the other tool reads it, and asks the other tool: all queries, or 4,096 drawn\n"
            "at random over all lengths. OUT appears whole, if all answers are right by the\n"
            "margin asked for, in whatever order sums are added, and no logit differs more\n"
            "than it may (by 0 where all arithmetic is exact), or not at all (exit status\n"
            "1). The logits are the construction's times a power of two: see --margin. The\n"
            "tools are extras: pip install -c constraints.txt '.[transformerlens]',\n"
            "[huggingface], [onnx]. See docs/export.md."
        ),
        epilog=(
            "examples:\n"
            "  %(prog)s family-model --to transformerlens family-lens\n"
            "  %(prog)s family-model --to huggingface family-hf\n"
            "  %(prog)s family-model --to onnx family-onnx --json result.json\n"
        ),
        formatter_class=Paragraphs,
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="as written by --save, by `save` or by `save_form`",
    )
    parser.add_argument("--to", choices=list(TOOLS), required=True, help="the other tool")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new or an empty folder")
    parser.add_argument(
        "--margin",
        type=margin,
        metavar="NUMBER",
        help=(
            "the least logit margin in OUT: all logits are multiplied by a power of two. By"
            " default such that who samples at temperature 1 draws a wrong token less than once in"
            " a million; 0 for the logits as they are"
        ),
    )
    add_own(parser, MADE_BY)
    add_json(parser)
    parser.set_defaults(run=_run_export)


def _run_check(options: argparse.Namespace) -> int:
    """Prove a saved model, and run a sample of its queries."""
    from verify.cli.reports.checks import check_as_json, check_line, margin_line
    from verify.queries.sampled import check_and_sample

    require_folder(options.folder)
    check_writable(options.json)
    proven, sample = check_and_sample(options.folder, options.by)
    say_verdict(check_line(proven, sample))
    if proven.verdict == "PASS":
        shown = margin_line(proven)
        say_text(joined(folded(shown) if proven.by == "rounded" else [shown]))
    if sample is not None:
        say(sample.in_words())
    write_text(options.json, lambda: check_as_json(proven, sample))
    refuted = sample is not None and sample.verdict == "FAIL"
    return PASSED if proven.verdict == "PASS" and not refuted else FAILED


def _run_attack(options: argparse.Namespace) -> int:
    """Change a saved model in many ways."""
    for kind in options.kind or []:
        if kind not in ATTACKS:
            raise InputError(f"--kind {kind}: no such kind; there are {', '.join(ATTACKS)}")
    from verify.attacking.jobs import SERIES_OF_ATTACKS, all_attacks

    builder_of(options.own)  # said before the model is read
    kinds = list(dict.fromkeys(options.kind or ATTACKS))
    own = options.own[0] if options.own else ""
    attacks = all_attacks(options.folder, options.n, options.seed, kinds, own)
    seconds = sum(SERIES_OF_ATTACKS.cost(one).seconds for one in attacks)
    if options.workers is None and options.dask is None and seconds < WORTH_WORKERS:
        options.workers = 0
    return conclude(run(SERIES_OF_ATTACKS, attacks, options, "series of attacks"))


def conclude(found: Finished[Tally]) -> int:
    """Print what became of attacks; returns the exit status."""
    from verify.attacking.jobs import by_kind
    from verify.cli.reports.checks import attack_table, attack_verdict

    tallies = by_kind(found.results)
    say_text(attack_table(tallies))
    say_verdict(attack_verdict(tallies, found.planned - len(found.results)))
    if found.interrupted:
        return complain_interrupted("what the attacks that were not made would do is unknown")
    passed = worst(tally.verdict for tally in tallies) == "PASS"
    return PASSED if passed and len(found.results) == found.planned else FAILED


def _run_export(options: argparse.Namespace) -> int:
    """Write a saved model for another tool, and ask it there."""
    from constructions.export import tool
    from constructions.files.undisturbed import undisturbed
    from constructions.saved.form_folder import load_any
    from verify.cli.reports.checks import check_line, proof_for_card
    from verify.queries.exported import export_and_ask, n_asked
    from verify.queries.sampled import check_and_sample

    require_folder(options.folder)
    check_writable(options.json)
    check_folder(options.out)
    tool(options.to)  # a missing one is reported before the model is read
    own = builder_of(options.own)

    def found() -> tuple[Answering, str, str]:
        """The model, and what is proven of this very folder: a line, and for the card."""
        model = load_any(options.folder, own)
        proven = check_and_sample(options.folder)
        return model, check_line(*proven), proof_for_card(options.folder, *proven)

    model, proof, for_card = undisturbed(options.folder, found)
    with progress("queries") as begin:
        advance = begin(f"asking {options.to}", n_asked(model))
        asked = export_and_ask(model, options.to, options.out, advance, options.margin, for_card)
    verdict, *figures = asked.lines(options.to)
    say_verdict(verdict)
    for line in figures:
        say(line)
    say(f"proof: {proof}")
    say(f"written: {options.out}" if asked.right else f"not written: {options.out}")
    write_text(options.json, lambda: asked.as_json(options.to))
    return PASSED if asked.right else FAILED
