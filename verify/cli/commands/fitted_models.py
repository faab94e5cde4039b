"""Models that `verify show` draws in a basis that is fitted to them: trained ones, forms of
constructions, language models.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from constructions.asking.readings import Reading
from constructions.catalogue import WITH_SETS
from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.guards.wording import counted
from verify.cli.commands.own import builder_of
from verify.cli.progress import progress
from verify.cli.questions import one_with_an_answer

if TYPE_CHECKING:  # which imports torch
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from constructions.facts.table import FactTable
    from constructions.model.answering import Answering
    from verify.learned.fitted_names import Names
    from verify.learned.seen import Seeable
    from verify.queries.shown import Shown

INDEX, SUFFIX = "known-answers.json", ".safetensors"
"""Of a pack of known answers: `verify.learned.known_answers`, which imports torch."""
CONFIG = "config.json"
"""Of a model of Hugging Face."""


class Fittable(Protocol):
    """A model of which nobody has said where anything stands.

    Attributes:
        facts: in whose names it is asked.
    """

    @property
    def facts(self) -> FactTable:
        """See the class."""

    def shown(self, asked: Reading | None, seed: int) -> Shown:
        """Follow a question, or one that has an answer, in bases that are fitted.

        Raises:
            InputError: it has another number of relations, or is no question to the model.
        """


@dataclass(frozen=True)
class FittableAtOnce:
    """One that answers with one token.

    Attributes:
        decoder: with subjects, relations and answers by number.
        answers: int64 (R, N), the facts.
        names: of subjects, relations and answers.
        facts: in whose names it is asked.
        hops: how many relations a question has.
    """

    decoder: Seeable
    answers: NDArray[np.int64]
    names: Names
    facts: FactTable
    hops: int

    def shown(self, asked: Reading | None, seed: int) -> Shown:
        """See `Fittable`."""
        from verify.learned.fitted_showing import fitted_shown

        subject, relation = self._one_with_an_answer() if asked is None else self._numbers(asked)
        return fitted_shown(self.decoder, self.answers, subject, relation, self.names, seed)

    def _numbers(self, asked: Reading) -> tuple[int, int]:
        """The numbers of a question's subject and relation."""
        if len(asked.path) != self.hops:
            raise InputError(
                f"the model answers paths of {counted(self.hops, 'relation')}; got"
                f" {len(asked.path)}"
            )
        subject = self.facts.entity_name(asked.subject)
        relation = " ".join(map(self.facts.relation_name, asked.path))
        for name, there in ((subject, self.names.subjects), (relation, self.names.relations)):
            if name not in there:
                raise InputError(f"{name!r} has no fact, and the model is not asked for it")
        return self.names.subjects.index(subject), self.names.relations.index(relation)

    def _one_with_an_answer(self) -> tuple[int, int]:
        """The numbers of the first question of the last relation that has an answer, where no
        answer of another relation is the same; else of the first that has one.
        """
        relation = len(self.answers) - 1
        for subject in range(self.answers.shape[1]):
            own = self.answers[:, subject]
            if own[relation] != MISSING and (own == own[relation]).sum() == 1:
                return subject, relation
        there = (self.answers[relation] != MISSING).argmax()
        return int(there), relation


@dataclass(frozen=True)
class FittableChain:
    """One that writes a chain of thought.

    Attributes:
        model: a construction, a form of one, or a decoder in which one stands.
        name: what it is called.
    """

    model: Answering
    name: str

    @property
    def facts(self) -> FactTable:
        """In whose names it is asked."""
        return self.model.facts

    def shown(self, asked: Reading | None, seed: int) -> Shown:
        """See `Fittable`."""
        from verify.learned.fitted_showing import fitted_chain

        query = asked or one_with_an_answer(self.facts, self.model.hops)
        return fitted_chain(self.model, query.subject, query.path, self.name, seed)


def fittable(what: str, options: argparse.Namespace) -> Fittable | None:
    """The model of a folder or file, if its blocks are to be fitted; None for a construction that
    is shown in the basis that it was written in.

    Raises:
        InputError: it cannot be read, or an option is missing or of no use.
    """
    folder = Path(what)
    _require_use(folder, options)
    if what in WITH_SETS:
        return None
    from constructions.saved.form_folder import is_form, load_form

    if folder.is_dir() and is_form(folder):
        form = load_form(folder, builder_of(options.own))
        return of_answering(form, f"form of {form.construction}")
    found = _trained(folder, options)
    if found is not None and options.own:
        raise InputError(f"--with is for a model that a builder has made; {folder} is trained")
    return found


def _trained(folder: Path, options: argparse.Namespace) -> Fittable | None:
    """One that no builder has made; None for any other."""
    if (folder / CONFIG).is_file():
        return _language_model(folder, options)
    if _is_member(folder):
        return _member(folder)
    if (folder / INDEX).is_file():
        names = ", ".join(sorted(path.name for path in folder.glob(f"*{SUFFIX}")))
        raise InputError(f"{folder} holds several models: give one of its files, {names}")
    if not folder.is_dir():
        return None
    from constructions.learning.rounded_folder import is_rounded, load_rounded

    if is_rounded(folder):
        return _of_trained(*load_rounded(folder), "one-layer model")
    return None


def of_answering(model: Answering, name: str) -> Fittable:
    """A construction, a form of one, or a decoder in which one stands."""
    if model.hops_per_token:
        return FittableChain(model, name)
    from verify.learned.adapters import of
    from verify.learned.claimed import claimed_by
    from verify.learned.fitted_names import Names, token_names

    decoder = of(model, hops=model.hops)
    tokens = token_names(model, decoder.n_answers)
    names = replace(Names.of(model.facts, name, model.hops), answers=tokens)
    return FittableAtOnce(decoder, claimed_by(model), names, model.facts, model.hops)


def _of_trained(model: nn.Module, facts: FactTable, name: str) -> Fittable:
    """A trained module of ours."""
    from verify.learned.adapters import of
    from verify.learned.claimed import answers_of
    from verify.learned.fitted_names import Names

    tokens = [f"token {number}" for number in range(facts.n_entities + facts.n_relations, 10**4)]
    names = Names.of(facts, name, specials=tokens)
    return FittableAtOnce(of(model, facts), answers_of(facts), names, facts, 1)


def _is_member(path: Path) -> bool:
    """Whether it is the file of a model in a pack of known answers."""
    return path.suffix == SUFFIX and path.is_file() and (path.parent / INDEX).is_file()


def _member(path: Path) -> Fittable:
    """A model of a pack of known answers."""
    from verify.learned.known_answers import load

    for known in load(path.parent):
        if known.name == path.stem:
            return _of_trained(known.decoder, known.facts, f"{known.name}, a standard decoder")
    raise InputError(f"{path.parent / INDEX} says nothing of {path.name}")


def _language_model(folder: Path, options: argparse.Namespace) -> Fittable:
    """A language model of Hugging Face, with a table and templates."""
    if options.facts is None or options.templates is None:
        raise InputError(
            f"{folder} is a language model: give --facts TABLE and --templates FILE, as for"
            " `learned pretrained`"
        )
    from constructions.facts.table import FactTable
    from verify.learned.fitted_names import Names
    from verify.learned.language_models.known import known
    from verify.learned.language_models.loading import load
    from verify.learned.language_models.prompts import asked_for, prompts
    from verify.learned.language_models.templates import read_templates
    from verify.learned.language_models.watching import WatchedLanguageModel

    facts = FactTable.from_tsv(options.facts)
    templates = read_templates(options.templates, asked_for(facts)[0])
    language = load(folder)
    asked = prompts(language, facts, templates)
    with progress("done") as begin:
        found = known(language, asked, begin("asking", asked.facts.size))
    names = Names(type(language.model).__name__, asked.subjects, asked.relations, asked.answers)
    return FittableAtOnce(WatchedLanguageModel(found), asked.facts, names, facts, 1)


def _require_use(folder: Path, options: argparse.Namespace) -> None:
    """Raise InputError if a table or templates are given for another model than takes them."""
    if (folder / CONFIG).is_file():
        return
    for name in ("facts", "templates"):
        if getattr(options, name) is not None:
            raise InputError(
                f"--{name} is for the folder of a language model, which has a {CONFIG};"
                f" {folder} is none"
            )
