"""Explicit transformer weights for factual recall: facts in, torch modules out.

    from constructions import FactTable, selector
    facts = FactTable.random_bijections(entities=1024, relations=8, seed=0)
    model = selector(facts)
    assert model.answer(entity=3, path=[5]) == facts.answer(3, [5])

Builders are imported on first use, so that tables and the catalogue are available without
importing torch.
"""

from importlib import import_module
from typing import Any

from constructions.catalogue import CATALOGUE as CATALOGUE
from constructions.catalogue import construction as construction
from constructions.entry import Construction as Construction
from constructions.facts.answers import MISSING as MISSING
from constructions.facts.changed_answers import ChangedAnswer as ChangedAnswer
from constructions.facts.changed_answers import ChangedAnswers as ChangedAnswers
from constructions.facts.changed_answers import changed_answers as changed_answers
from constructions.facts.codes import Codebook as Codebook
from constructions.facts.noise_prompts import NoisePrompts as NoisePrompts
from constructions.facts.set_table import SetTable as SetTable
from constructions.facts.table import FactTable as FactTable
from constructions.facts.vocabulary import Vocabulary as Vocabulary
from constructions.guards.errors import AmbiguousQuestion as AmbiguousQuestion
from constructions.guards.errors import DoesNotFit as DoesNotFit
from constructions.guards.errors import FactFileError as FactFileError
from constructions.guards.errors import InputError as InputError
from constructions.guards.errors import MissingFact as MissingFact
from constructions.guards.errors import QuestionError as QuestionError
from constructions.guards.errors import UserCodeError as UserCodeError
from constructions.importing.table import read_table as read_table
from constructions.option import Option as Option
from constructions.public import AT_ONCE, defined_in
from constructions.sizes.sizing import Sizing as Sizing
from constructions.sizes.symbols import Symbols as Symbols

__version__ = "0.1.0"

_DEFINED_IN = defined_in()

__all__ = sorted({*_DEFINED_IN, *(name for names in AT_ONCE.values() for name in names)})


def __getattr__(name: str) -> Any:
    if name in _DEFINED_IN:
        return getattr(import_module(_DEFINED_IN[name]), name)
    raise AttributeError(f"module 'constructions' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
