"""The builder of a saved model: one of the catalogue, by the name in its manifest, or the user's
own, which he hands over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from constructions.catalogue import WITH_SETS
from constructions.entry import Construction
from constructions.guards.errors import InputError
from constructions.guards.user_code import kind_of
from constructions.model.fact_model import FactModel
from constructions.model.recipe import Builder

Own = Construction | Callable[..., Any]
"""What a user may hand over: his construction, or its builder."""


def builder_named(name: str) -> Builder[..., FactModel]:
    """The public builder of that name. Raises InputError with all names where there is none: the
    name came from a folder, and no file of a user's is ever run for it.
    """
    entries = {entry.builder_name: entry for entry in WITH_SETS.values()}
    if name not in entries:
        raise InputError(
            f"no builder is named {name!r}; there are {', '.join(entries)}; if it is your own,"
            " hand it over: load(folder, builder=mine), or --with path/file.py:mine"
        )
    return cast("Builder[..., FactModel]", entries[name].constructor())


def own_builder(own: Own, name: str) -> Builder[..., FactModel]:
    """The builder that a user hands over for a model whose manifest names one.

    Raises:
        InputError: it is none, or another one.
    """
    build = own.constructor() if isinstance(own, Construction) else own
    if not callable(build) or not hasattr(build, "plan"):
        raise InputError(
            "builder must be a Construction, or a function that is decorated with @recorded; got"
            f" {kind_of(own)}"
        )
    if (given := getattr(build, "__name__", "")) != name:
        raise InputError(f"the model was made by the builder {name!r}; {given!r} was handed over")
    return cast("Builder[..., FactModel]", build)
