"""`verify show`: one query as it passes through a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from constructions.asking.readings import Reading
from constructions.catalogue import CATALOGUE, WITH_SETS, construction
from constructions.entry import Construction
from constructions.files.folders import require_folder
from constructions.guards.errors import InputError
from constructions.guards.user_code import is_reference
from verify.cli.commands.fitted_models import Fittable, fittable, of_answering
from verify.cli.commands.options import MADE_BY, Commands, Paragraphs, add_own
from verify.cli.commands.own import builder_of
from verify.cli.output import say, say_text
from verify.cli.progress import progress
from verify.cli.questions import one_with_an_answer, question
from verify.cli.status import PASSED
from verify.cli.values import count, option, size
from verify.cli.written_files import check_writable

if TYPE_CHECKING:  # which imports torch
    from constructions.model.fact_model import FactModel
    from verify.queries.shown import Shown

ENTITIES, RELATIONS, HOPS = 4, 2, 2
"""Of a table that is made to be shown, where nothing else is asked for."""


EXAMPLES = """examples:
  %(prog)s selector -N 6 -R 3
  %(prog)s countries "France capital" --plot mechanism.svg
  %(prog)s sets_of_answers -N 6 -R 2
  %(prog)s family-sets "Alice child"
  %(prog)s rounded-model "e3 r1" --plot fitted.svg
  %(prog)s hidden-chain "e3 r1 r0"
  %(prog)s gpt2 "France capital" --facts countries.tsv --templates countries.json
"""


def add_show(commands: Commands) -> None:
    """The words of `verify show`."""
    parser = commands.add_parser(
        "show",
        help="what happens to one query: the residual stream, block by block",
        description=(
            "Follows one query through a model: what the subject's embedding holds, what heads"
            " copy, which units fire, what remains, and the logits. Of a trained model, a form, or"
            " a language model nobody has said where anything stands in its stream: there a basis"
            " of attributes is fitted, and how good it is for subjects who had no part in the fit,"
            " beside shuffled facts, stands in the picture. Where a model writes several tokens,"
            " each is a step of its own (docs/show.md)."
        ),
        epilog=EXAMPLES,
        formatter_class=Paragraphs,
    )
    parser.add_argument(
        "what",
        metavar="NAME|FOLDER",
        help=(
            "a construction, or path/file.py:name for one of your own, of which a small one is"
            " built; the folder of a saved model, of a form, of a rounded trained model, or of a"
            " language model; or a file of a pack of known answers, PACK/trained.safetensors"
        ),
    )
    parser.add_argument(
        "query",
        nargs="*",
        metavar="QUERY",
        help=(
            "a subject and its relations, by names or numbers, each a word, or all in one quoted"
            " string; by default one that has an answer"
        ),
    )
    parser.add_argument("-N", type=size, metavar="N", help=f"entities (default {ENTITIES})")
    parser.add_argument("-R", type=size, metavar="R", help=f"relations (default {RELATIONS})")
    parser.add_argument(
        "-k", type=size, metavar="K", help=f"hops (default {HOPS}, or the query's; 1 of one hop)"
    )
    parser.add_argument(
        "--seed",
        type=count,
        metavar="SEED",
        help="of the random table, and of what a fit draws (default 0)",
    )
    parser.add_argument(
        "--fitted",
        action="store_true",
        help="fit a basis to a construction, too, as if nobody knew where anything stands",
    )
    parser.add_argument(
        "--facts", metavar="TABLE", help="of a language model: the facts that it is asked for"
    )
    parser.add_argument(
        "--templates",
        type=Path,
        metavar="FILE",
        help='of a language model: JSON, {"relation": "a text with {subject}"}',
    )
    for known in {known.name: known for entry in CATALOGUE.values() for known in entry.options}:
        parser.add_argument(
            f"--{known.replace('_', '-')}",
            type=option,
            metavar="N",
            help="of constructions that have it",
        )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="also draw it, as FILE.svg, FILE.png or FILE.pdf (needs matplotlib)",
    )
    add_own(parser, MADE_BY)
    parser.set_defaults(run=_run_show)


def _run_show(options: argparse.Namespace) -> int:
    """Print the table, and draw the picture, for which matplotlib may be missing: that is said
    behind the table, which needs none.
    """
    from verify.cli.reports.mechanism import table
    from verify.cli.reports.mechanism_picture import draw
    from verify.cli.reports.pictures import require_format

    check_writable(options.plot)
    if options.plot is not None:
        require_format(options.plot)
    found = _found(options)
    say_text(table(found))
    if options.plot is not None:
        draw(found, options.plot)
        say(f"drawn: {options.plot}")
    return PASSED


def _found(options: argparse.Namespace) -> Shown:
    """The query, followed in the basis that is known, or else in one that is fitted."""
    from constructions.model.set_model import require_paths
    from verify.queries.showing import shown

    given = fittable(options.what, options)
    if given is None:
        model, asked = _model(options)
        if not options.fitted:
            return shown(model, asked.subject, list(asked.path))
        require_paths(model, "a basis is fitted to the answers")
        return _fitted(of_answering(model, model.construction), asked, options)
    _require_no_sizes(options)
    _require_no_building(options)
    query = question(given.facts, options.query, ids=True) if options.query else None
    return _fitted(given, query, options)


def _fitted(model: Fittable, query: Reading | None, options: argparse.Namespace) -> Shown:
    """The query, followed in a basis that is fitted; which takes a while, as a terminal sees."""
    with progress("points") as begin:
        begin("fitting a basis at every point of the stream", None)
        return model.shown(query, options.seed or 0)


def _model(options: argparse.Namespace) -> tuple[FactModel, Reading]:
    """The model that is shown, built or loaded, and the query."""
    if options.what not in WITH_SETS and Path(options.what).is_dir():
        return _loaded(options)
    if options.own:
        raise InputError(
            f"--with is for the folder of a saved model; {options.what} is built: give"
            " path/file.py:mine in its place"
        )
    entry = _construction(options.what)
    n, r = options.N or ENTITIES, options.R or RELATIONS
    facts = entry.random_facts(n, r, options.seed or 0)
    asked = question(facts, options.query, ids=True) if options.query else None
    hops = options.k or (len(asked.path) if asked else HOPS if entry.multi_hop else 1)
    names = [known.name for each in CATALOGUE.values() for known in each.options]
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    model = entry.build(facts, hops, given)
    return model, asked or one_with_an_answer(model.facts, hops)


def _construction(what: str) -> Construction:
    """The construction that is named.

    Raises:
        InputError: there is none; the message says that there is no such folder of a saved model
            either, and first.
    """
    try:
        return construction(what, with_sets=True)
    except InputError as error:
        if not is_reference(what):
            require_folder(what, f", or a construction: {error}")
        raise


def small_model(entry: Construction) -> tuple[FactModel, Reading]:
    """The model of a construction that is shown where nothing else is asked for, and a query."""
    hops = HOPS if entry.multi_hop else 1
    model = entry.build(entry.random_facts(ENTITIES, RELATIONS, 0), hops, {})
    return model, one_with_an_answer(model.facts, hops)


def _loaded(options: argparse.Namespace) -> tuple[FactModel, Reading]:
    """A saved model, and the query."""
    from constructions.saved.folder import load

    _require_no_sizes(options)
    model = load(options.what, builder_of(options.own))
    if options.query:
        return model, question(model.facts, options.query, ids=True)
    return model, one_with_an_answer(model.facts, options.k or model.path_lengths[-1])


def _require_no_sizes(options: argparse.Namespace) -> None:
    """Raise InputError if sizes are given for a model that has its own."""
    if options.N is not None or options.R is not None:
        raise InputError(
            f"{options.what} is a saved model, which has its sizes; -N and -R are for a"
            " construction that is built"
        )


def _require_no_building(options: argparse.Namespace) -> None:
    """Raise InputError if there is an option of what is built for a model that is here."""
    names = [known.name for each in CATALOGUE.values() for known in each.options]
    for name in ("k", *dict.fromkeys(names)):
        if getattr(options, name) is not None:
            word = f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"
            raise InputError(
                f"{word} is for a construction that is built; {options.what} is a saved model"
            )
