"""Templates of prompts: a JSON file that says for each relation how it is asked.

    {"capital": "The capital of {subject} is", "language": "In {subject} people speak{answer}"}

The answer follows after one space, or just where `{answer}` stands, at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from constructions.guards.errors import InputError
from constructions.guards.wording import brief, close_names

SUBJECT, ANSWER = "{subject}", "{answer}"


@dataclass(frozen=True)
class Template:
    """How a relation is asked.

    Attributes:
        before, after: what stands around the subject.
        between: what stands between the prompt and the answer.
    """

    before: str
    after: str
    between: str

    def prompt(self, subject: str) -> str:
        """The text after which the answer is expected."""
        return f"{self.before}{subject}{self.after}"

    def span(self, subject: str) -> tuple[int, int]:
        """Where the subject stands in it: from which character, up to which."""
        return len(self.before), len(self.before) + len(subject)


def template(relation: str, text: object) -> Template:
    """A template as it is written.

    Raises:
        InputError: it does not hold `{subject}` once, or `{answer}` stands elsewhere than at the
            end.
    """
    where = f"the template of {relation!r}, {brief(repr(text))},"
    if not isinstance(text, str):
        raise InputError(f"{where} must be a text with {SUBJECT}")
    if text.count(SUBJECT) != 1:
        raise InputError(f"{where} must hold {SUBJECT} once; it does {text.count(SUBJECT)} times")
    asked, answered, rest = text.partition(ANSWER)
    if rest or SUBJECT not in asked:
        raise InputError(f"{where} has {ANSWER} elsewhere than at its end: nothing may follow it")
    shown = asked.rstrip()
    between = asked[len(shown) :] if answered else " "
    if asked != shown and not answered:
        raise InputError(f"{where} ends in white space; the answer follows after one space anyway")
    before, _, after = shown.partition(SUBJECT)
    return Template(before, after, between)


def read_templates(path: Path, relations: Iterable[str]) -> dict[str, Template]:
    """The templates of these relations, from a JSON file.

    Raises:
        InputError: it is no JSON object of texts, a relation has no template, or a template is of
            no relation.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON text: {error}") from None
    except ValueError as error:  # a NUL in its name
        raise InputError(f"{str(path)!r} cannot be the name of a file: {error}") from None
    if not isinstance(given, dict):
        raise InputError(f'{path}: must be a JSON object, {{"relation": "text {SUBJECT} text"}}')
    wanted = list(relations)
    for name in given:
        if name not in wanted:
            meant = close_names(name, wanted, 1)
            raise InputError(f"{path}: the fact table has no relation {name!r}{meant}")
    missing = [name for name in wanted if name not in given]
    if missing:
        raise InputError(f"{path}: no template for {', '.join(map(repr, missing))}")
    return {name: template(name, given[name]) for name in wanted}


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; InputError if a name occurs twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if [one for one, _ in pairs].count(name) > 1)
        raise InputError(f"two templates are given for {twice!r}")
    return found
