"""Other facts in place of the present ones, in a construction of any form.

    install(noisy, other_facts)

Only tables of tokens are written: no internal weight changes.
"""

from __future__ import annotations

import copy

import torch

from constructions.decoders.model_form import ModelForm
from constructions.decoders.targets import require_construction
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError, InternalError
from constructions.model.fact_model import FactModel
from constructions.model.installing import installing, require_changeable
from constructions.model.ordinary_tensors import of_ordinary_tensors


@of_ordinary_tensors
@torch.no_grad()
def install(model: FactModel | ModelForm, facts: FactTable) -> None:
    """Put other facts in place of the present ones: the paper's freeze-and-swap transfer without a
    gradient step.

    As `FactModel.install`, for constructions in any form: only the rows of tokens are written, and
    of these only what lies in the construction's part of the stream. No internal weight changes;
    that is checked. `margin` and `logit_error` of a form were about the facts before: None then.

    Raises:
        InputError: as `FactModel.install`; nothing is changed then.

    Example:
        >>> model = selector(facts)
        >>> others = FactTable.random_bijections(entities=8, relations=2, seed=1)
        >>> install(model, others)
        >>> bool(model.answer(3, [1]) == others.answer(3, [1]))
        True
    """
    if not isinstance(facts, FactTable):
        raise InputError(f"facts must be a FactTable; got a {type(facts).__name__}")
    if not isinstance(model, ModelForm):
        require_construction(model)
        model.install(facts)
        return
    require_changeable(model)
    source, basis = copy.deepcopy(model.source), model.basis
    source.install(facts)
    if source.fact_tables is None:
        raise InternalError(
            f"{source.construction} has taken other facts, but names no tables that hold them"
        )
    as_before = model.change() is None
    rows = {
        name: model.get_parameter(name)[: len(model.vocabulary)] for name in source.fact_tables
    }
    change = {
        name: (source.get_parameter(name).to(held) - held @ basis) @ basis.mT
        for name, held in rows.items()
    }
    with installing(model, source.fact_tables):
        for name, held in rows.items():
            held.add_(change[name])
    model.keep_source(source)
    model.facts = facts
    if as_before:
        model.state()
