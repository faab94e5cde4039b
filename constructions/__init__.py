"""Explicit transformer weights for factual recall: facts in, torch modules out.

    from constructions import FactTable, selector
    facts = FactTable.random_bijections(entities=1024, relations=8, seed=0)
    model = selector(facts)
    assert model.answer(entity=3, path=[5]) == facts.answer(3, [5])

Builders are imported on first use, so that tables and the catalogue are available without
importing torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from constructions.catalogue import CATALOGUE, Construction, construction
from constructions.codes import Codebook
from constructions.errors import DoesNotFit, FactFileError, InputError
from constructions.facts import MISSING, FactTable
from constructions.vocabulary import Vocabulary

__version__ = "0.1.0"

if TYPE_CHECKING:
    from constructions.cot import ChainOfThought, chain_of_thought
    from constructions.disjoint import superposition
    from constructions.folder import load
    from constructions.forms import (
        add_noise,
        change_basis,
        install,
        noise_radius,
        normalize,
        widen,
    )
    from constructions.key_value_memory import key_value, key_value_rows
    from constructions.known_steps import Step, mechanism
    from constructions.midpoint import meet_in_the_middle
    from constructions.model import FactModel
    from constructions.partial_memory import hybrid
    from constructions.precomputation import precomputed
    from constructions.reformed import Reformed
    from constructions.seeding import needed_shape, seed_into, standard
    from constructions.single_hop import attention_selector, scalar_selector, selector
    from constructions.standard_decoder import StandardDecoder, StandardModel, StandardShape
    from constructions.transformer import Transformer

_LAZY = {
    **{entry.builder_name or entry.name: entry.module for entry in CATALOGUE.values()},
    "ChainOfThought": "cot",
    "FactModel": "model",
    "load": "folder",
    "Step": "known_steps",
    "mechanism": "known_steps",
    **dict.fromkeys(
        ("add_noise", "change_basis", "install", "noise_radius", "normalize", "widen", "Reformed"),
        "forms",
    ),
    "needed_shape": "seeding",
    "seed_into": "seeding",
    "standard": "seeding",
    "StandardDecoder": "standard_decoder",
    "StandardModel": "standard_decoder",
    "StandardShape": "standard_decoder",
    "Transformer": "transformer",
}

__all__ = [
    "CATALOGUE",
    "MISSING",
    "ChainOfThought",
    "Codebook",
    "Construction",
    "DoesNotFit",
    "FactFileError",
    "FactModel",
    "FactTable",
    "InputError",
    "Reformed",
    "StandardDecoder",
    "StandardModel",
    "StandardShape",
    "Step",
    "Transformer",
    "Vocabulary",
    "add_noise",
    "attention_selector",
    "chain_of_thought",
    "change_basis",
    "construction",
    "hybrid",
    "install",
    "key_value",
    "key_value_rows",
    "load",
    "mechanism",
    "meet_in_the_middle",
    "needed_shape",
    "noise_radius",
    "normalize",
    "precomputed",
    "scalar_selector",
    "seed_into",
    "selector",
    "standard",
    "superposition",
    "widen",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"constructions.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'constructions' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
