"""`verify known-answers`: a pack of decoders whose structure is known."""

from __future__ import annotations

import argparse
from pathlib import Path

from verify.cli.commands.options import Commands
from verify.cli.output import say
from verify.cli.status import PASSED
from verify.cli.values import count


def add_known_answers(commands: Commands) -> None:
    """The words of `verify known-answers`."""
    parser = commands.add_parser(
        "known-answers",
        help="write decoders whose structure is known, to calibrate interpretability with",
        description=(
            "Write seven small decoders with the same facts, of which it is known in which"
            " directions of the stream each relation's answers lie and which hidden units select"
            " them: weights in safetensors, and known-answers.json with shapes, facts and truth."
            " Then score what the measures of verify.learned find in them without knowing it."
            " docs/known-answers.md has the format, and how another method is scored."
        ),
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the new folder")
    parser.add_argument(
        "--seed", type=count, default=0, help="of facts, bases, noise and training (default 0)"
    )
    parser.set_defaults(run=_run_known_answers)


def _run_known_answers(options: argparse.Namespace) -> int:
    """Write the pack, and say what our own measures find in it."""
    from verify.learned import known_answers

    models = known_answers.write(options.out, options.seed)
    for known, scored in known_answers.scores(models):
        say(f"{known.name}: {known.about}")
        for line in known_answers.lines(scored):
            say(f"    {line}")
    say(f"{options.out}: {len(models)} models and {known_answers.INDEX} (docs/known-answers.md)")
    return PASSED
