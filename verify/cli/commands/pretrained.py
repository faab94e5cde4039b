"""`verify learned pretrained`: facts in a language model of Hugging Face, layer by layer."""

from __future__ import annotations

import argparse
from pathlib import Path

from constructions.facts.table import FactTable
from verify.cli.commands.options import Commands, Paragraphs, add_json
from verify.cli.output import say, say_text
from verify.cli.progress import progress
from verify.cli.status import PASSED
from verify.cli.values import count, margin, size
from verify.cli.written_files import check_writable, write_text

SCORINGS = ("auto", "first", "whole")
"""`verify.learned.language_models.prompts.SCORINGS`, which imports torch, as help does not."""
EXAMPLES = """examples:
  %(prog)s gpt2 countries.tsv --templates countries.json
  %(prog)s gpt2 countries.tsv --templates countries.json --layers 0,6
with countries.json: {"capital": "The capital of {subject} is"}
"""


def add_pretrained(commands: Commands) -> None:
    """The words of `verify learned pretrained`, to be added below `learned`."""
    parser = commands.add_parser(
        "learned pretrained",
        help="how a language model from a local folder holds the facts of a table",
        description=(
            "Asks a causal language model of Hugging Face, read from a folder on this machine,\n"
            "for the facts of a table, and measures at each layer whether the subject's state\n"
            "is a superposition of its attributes, whether exchanging one of them moves one\n"
            "answer and keeps the others, and how far a linear relation encoding goes, each\n"
            "beside its null. Nothing is fetched. Needs the extra `huggingface`. See\n"
            "docs/pretrained.md. Exit status 0 if it was measured, whatever was found."
        ),
        epilog=EXAMPLES,
        formatter_class=Paragraphs,
    )
    parser.add_argument(
        "folder", type=Path, metavar="PATH", help="a model and its tokenizer, by save_pretrained"
    )
    parser.add_argument(
        "file", metavar="FACTS", help="UTF-8 text, one subject<TAB>relation<TAB>object a line"
    )
    parser.add_argument(
        "--templates",
        type=Path,
        required=True,
        metavar="FILE",
        help='JSON: {"relation": "a text with {subject}"}, after which the answer follows',
    )
    parser.add_argument(
        "--score",
        choices=SCORINGS,
        default="auto",
        help=(
            "answers by the logits of their first tokens, or by the log probabilities of all"
            " their tokens; auto: first, where first tokens are distinct"
        ),
    )
    parser.add_argument(
        "--layers",
        type=_layers,
        metavar="LIST",
        help="such as 0,6,12; 0 is what the first layer is given (by default all)",
    )
    parser.add_argument(
        "--subjects",
        type=size,
        default=64,
        metavar="NUMBER",
        help="how many have their answers moved: 3 R^2 prompts each and layer (default 64)",
    )
    _add_encoding(parser)
    parser.add_argument(
        "--batch", type=size, default=64, metavar="NUMBER", help="prompts at once (default 64)"
    )
    parser.add_argument(
        "--device", default="cpu", help="where the model runs, as torch names it (default cpu)"
    )
    parser.add_argument(
        "--no-control",
        action="store_true",
        help="without a second, untrained model beside it, which takes as much memory again",
    )
    parser.add_argument("--seed", type=count, default=0, help="of all that is drawn (default 0)")
    add_json(parser)
    parser.set_defaults(run=_run_pretrained)


def _add_encoding(parser: argparse.ArgumentParser) -> None:
    """Options of linear relation encodings."""
    group = parser.add_argument_group("linear relation encodings (beta W s + b)")
    group.add_argument(
        "--examples",
        type=count,
        default=8,
        metavar="NUMBER",
        help=(
            "training examples (default 8); 0 for no encodings, which take d_model backward passes"
            " of so many prompts for each relation"
        ),
    )
    group.add_argument("--rank", type=size, metavar="NUMBER", help="of W (by default all)")
    group.add_argument(
        "--beta",
        type=margin,
        metavar="NUMBER",
        help="by default the one of 1 to 8 that is best on the training examples",
    )


def _layers(text: str) -> tuple[int, ...]:
    """Numbers of layers, with commas between them."""
    return tuple(dict.fromkeys(count(one) for one in text.split(",")))


def _run_pretrained(options: argparse.Namespace) -> int:
    """Ask a language model, and measure it."""
    check_writable(options.json)
    facts = FactTable.from_tsv(options.file)
    from verify.cli.reports.language_models import as_json, heading, layer_table, reasons
    from verify.learned.language_models.loading import load, untrained
    from verify.learned.language_models.measured import Choices, measured
    from verify.learned.language_models.prompts import asked_for
    from verify.learned.language_models.templates import read_templates

    templates = read_templates(options.templates, asked_for(facts)[0])
    language = load(options.folder, options.device, options.batch)
    choices = Choices(
        options.layers,
        options.score,
        options.subjects,
        options.examples,
        options.rank,
        options.beta,
        options.seed,
    )
    with progress("done") as begin:
        control = None if options.no_control else untrained(language, options.seed)
        found = measured(language, facts, templates, choices, control, begin)
    for line in heading(found):
        say(line)
    say_text(layer_table(found))
    for line in reasons(found):
        say(line)
    write_text(options.json, lambda: as_json(found, choices))
    return PASSED
