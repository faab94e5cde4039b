"""What holds while facts are put into a model that is there already: which tables may be written,
of which models, and what claims need.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError, InternalError


def require_claim(construction: str, facts: FactTable | SetTable, stored_only: bool) -> None:
    """Raise InputError where stored facts alone are claimed, and there is none."""
    if stored_only and not facts.n_facts:
        raise InputError(
            f"{construction} claims the answers to stored facts alone, and this table has none"
        )


def require_changeable(model: nn.Module) -> None:
    """Raise InputError if a parameter is an inference tensor, of which no change can be
    followed.
    """
    for name, parameter in model.named_parameters():
        if parameter.is_inference():
            raise InputError(
                f"{name} was made in torch.inference_mode, so that no change of it can be"
                " followed; install the facts in a copy that is taken outside of that mode"
                " (copy.deepcopy)"
            )


@contextmanager
def installing(model: nn.Module, tables: frozenset[str]) -> Iterator[None]:
    """A block that may write these parameters of a model and no others.

    Raises:
        InternalError: torch's version counters say that another was written.
    """
    others = {name: p._version for name, p in model.named_parameters() if name not in tables}
    yield
    written = [
        name for name, version in others.items() if model.get_parameter(name)._version != version
    ]
    if written:
        raise InternalError(f"install must write {sorted(tables)} only, but wrote {written}")
