"""The builders of the catalogue by name, as a manifest has it."""

from __future__ import annotations

from typing import cast

from constructions.catalogue import CATALOGUE
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.recipe import Builder


def builder_named(name: str) -> Builder[..., FactModel]:
    """The public builder of that name. Raises InputError with all names where there is none."""
    entries = {entry.builder_name: entry for entry in CATALOGUE.values()}
    if name not in entries:
        raise InputError(f"no builder is named {name!r}; there are {', '.join(entries)}")
    return cast("Builder[..., FactModel]", entries[name].constructor())
