"""`verify ask`: questions in words to a saved model."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructions.guards.errors import AmbiguousQuestion, InputError, MissingFact, QuestionError
from verify.cli.commands.options import MADE_BY, Commands, Paragraphs, add_json, add_own
from verify.cli.commands.own import builder_of
from verify.cli.output import complain, say
from verify.cli.questions import answer_data, answer_line, set_data, set_line, without_quotes
from verify.cli.status import BAD_INPUT, FAILED, PASSED
from verify.cli.written_files import check_writable, write_text

if TYPE_CHECKING:  # which imports torch
    from constructions.model.answering import Answering

STANDARD_INPUT = "-"
PROMPT = "? "
AT_ONCE = 4096
"""Questions of a file that are answered together."""
BOM = b"\xef\xbb\xbf"
EXAMPLES = """examples:
  %(prog)s countries "France capital" "Japan currency"
  %(prog)s countries --questions questions.txt --json answers.json
  %(prog)s countries            (at a prompt, or from a pipe, until the input ends)

exit status: 0 every question is answered as the model's table has it, unknown included; 1 the
model says something else than its table; 2 a question cannot be read, has several readings, or
has too many or too few relations for the model (at a prompt that is said, and no more)
"""


def add_ask(commands: Commands) -> None:
    """The words of `verify ask`."""
    parser = commands.add_parser(
        "ask",
        help="ask a saved model questions in words",
        description=(
            "Asks a saved model. A question is a subject and one relation or more, by their\n"
            'names: "France capital flag" asks for the flag of the capital of France. Names may\n'
            "hold spaces, and all readings of a question are found. Where there is one, it is\n"
            "answered; where there are several, they are shown, and TABs between the names say\n"
            "which is meant. A chain of thought also prints the entities that it writes on the\n"
            "way, and a model of sets of answers prints them all. The files of the folder are\n"
            "compared with their SHA-256; that all answers are right is what `check` proves."
        ),
        epilog=EXAMPLES,
        formatter_class=Paragraphs,
    )
    parser.add_argument(
        "folder", type=Path, metavar="MODEL", help="a folder, as written by --save or by `save`"
    )
    parser.add_argument(
        "question",
        nargs="*",
        metavar="QUESTION",
        help=(
            "each in quotes; if there is none, or - alone, questions are read from standard"
            " input, one a line, and each is answered at once"
        ),
    )
    parser.add_argument(
        "--questions",
        type=Path,
        metavar="FILE",
        help="also all questions of a file: UTF-8, one a line; blank lines are left out",
    )
    add_own(parser, MADE_BY)
    add_json(parser, "the answers")
    parser.set_defaults(run=_run_ask)


class _Asked:
    """What became of all questions so far.

    Attributes:
        answers: of each question, as data.
        bad: how many have no answer, as they cannot be read or the model does not take them.
        wrong: how many are answered otherwise than the table has it.
    """

    def __init__(self, model: Answering):
        self.model = model
        self.answers: list[dict[str, Any]] = []
        self.bad = self.wrong = 0

    def ask(self, questions: list[tuple[str, str]]) -> None:
        """Ask some questions, each a text behind the place where it stands, for messages."""
        from constructions.model.asked import answers_to
        from constructions.model.asked_sets import AnsweredSet

        found = answers_to(self.model, [text for _, text in questions])
        for (place, text), one in zip(questions, found, strict=True):
            if one.error is not None and not isinstance(one.error, MissingFact):
                self.refuse(place, one.error)
                continue
            if isinstance(one, AnsweredSet):
                line, data = set_line(one), set_data(one)
            else:
                stored_only = self.model.stored_only
                line, data = answer_line(one, stored_only), answer_data(one, stored_only)
            say(line)
            self.wrong += not one.is_as_known
            self.answers.append({"question": text, **data})

    def refuse(self, place: str, error: QuestionError) -> None:
        """Say, and note, why a question is not answered."""
        self.bad += 1
        for number, line in enumerate(str(error).split("\n")):
            complain(line if number else f"error: {place}{line}")
        data: dict[str, Any] = {"question": error.question, "error": error.why}
        if isinstance(error, AmbiguousQuestion):
            data |= {"readings": error.total, "first_readings": error.readings}
        self.answers.append(data)

    def ask_lines(self, name: str, lines: Iterable[bytes], at_once: int) -> None:
        """Ask what stands in the lines of a file, so many at once."""
        some: list[tuple[str, str]] = []
        for number, line in enumerate(lines, 1):
            place = f"{name}:{number}: "
            try:
                text = line.decode().strip("\r\n")
            except UnicodeDecodeError as error:
                self.ask(some)
                some = []
                shown = line.decode(errors="backslashreplace").strip("\r\n")
                self.refuse(place, QuestionError(shown, f"is not UTF-8: {error.reason}"))
                continue
            if text.strip(" \r\n"):
                some.append((place, text))
            if len(some) >= at_once:
                self.ask(some)
                some = []
        self.ask(some)

    def ask_typed(self) -> None:
        """Ask what is typed at a prompt, until its end."""
        with suppress(ImportError):
            import readline  # noqa: F401  # so that lines can be edited
        with suppress(EOFError):
            while True:
                line = input(PROMPT)
                if line.strip(" "):
                    self.ask([("", line)])
        say("")

    def as_json(self) -> str:
        """All questions and answers, and how many are bad or wrong."""
        data = {"answers": self.answers, "bad": self.bad, "wrong": self.wrong}
        return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def _run_ask(options: argparse.Namespace) -> int:
    """Load the model, and answer what is asked."""
    from constructions.saved.form_folder import load_any

    given, file = options.question, options.questions
    from_input = given == [STANDARD_INPUT] or not (given or file)
    if STANDARD_INPUT in given and not from_input:
        raise InputError(
            f"{STANDARD_INPUT} is for questions from standard input, and stands alone; got"
            f" {len(given)} words"
        )
    check_writable(options.json)
    lines = [] if file is None else _lines_of(file)
    asked = _Asked(load_any(options.folder, builder_of(options.own)))
    typed = from_input and sys.stdin.isatty() and sys.stdout.isatty()
    if typed:
        asked.ask_typed()
    elif from_input:
        asked.ask_lines("standard input", sys.stdin.buffer, 1)
    elif error := without_quotes(asked.model.facts, given):
        asked.refuse("", error)
    else:
        asked.ask([("", text) for text in given])
    asked.ask_lines(str(file), lines, AT_ONCE)
    write_text(options.json, asked.as_json)
    if asked.wrong:
        return FAILED
    return BAD_INPUT if asked.bad and not typed else PASSED


def _lines_of(path: Path) -> list[bytes]:
    """The lines of a file."""
    try:
        return path.read_bytes().removeprefix(BOM).split(b"\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {why}; give a file of questions") from None
