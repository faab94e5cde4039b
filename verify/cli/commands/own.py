"""What the user names of his own by `--with`: constructions and bounds."""

from __future__ import annotations

from collections.abc import Sequence

from bounds.lower_bound import LowerBound
from constructions.catalogue import CATALOGUE, construction
from constructions.entry import Construction
from constructions.guards.errors import InputError
from constructions.guards.user_code import is_reference, kind_of, loaded
from verify.cells.held_bounds import require_new_bound


def builder_of(references: Sequence[str]) -> Construction | None:
    """The construction of the user's own whose saved model is to be loaded; None if none is named.

    Raises:
        InputError: several are named, or see `constructions.catalogue.construction`.
        UserCodeError: the user's file has raised an error.
    """
    if len(references) > 1:
        raise InputError(
            f"a saved model was made by one construction; got --with {' --with '.join(references)}"
        )
    return next(iter(own_constructions(references)), None)


def own_constructions(references: Sequence[str]) -> list[Construction]:
    """The constructions of a user's own that these texts name, of which no two have one name.

    Raises:
        InputError: see `constructions.catalogue.construction`; or two have one name, or one is of
            the catalogue.
        UserCodeError: see `construction`.
    """
    own: dict[str, Construction] = {}
    for reference in references:
        entry = construction(reference)
        if reference in CATALOGUE:
            raise InputError(
                f"{reference} is in the catalogue; give one of your own, path/file.py:name"
            )
        if entry.name in own:
            raise InputError(
                f"{reference} is named {entry.name!r}, and so is another one that is taken; give"
                " each once, and another name to one of your own"
            )
        own[entry.name] = entry
    return list(own.values())


def own_of(references: Sequence[str]) -> tuple[list[Construction], list[LowerBound]]:
    """The constructions and the bounds that these texts name.

    Raises:
        InputError: one names neither, or has the name of another or of one of ours.
        UserCodeError: the user's file has raised an error.
    """
    named: list[str] = []
    bounds: dict[str, LowerBound] = {}
    for reference in references:
        found = loaded(reference) if is_reference(reference) else CATALOGUE.get(reference)
        if isinstance(found, LowerBound):
            require_new_bound(found)
            if found.name in bounds:
                raise InputError(f"two bounds are named {found.name!r}; give each once")
            bounds[found.name] = found
            continue
        if found is not None and not isinstance(found, Construction):
            raise InputError(
                f"{reference} is {kind_of(found)}; a Construction or a LowerBound is needed: mine"
                " = Construction(builder, sizing=...), mine = LowerBound(function,"
                " unembedding=...)"
            )
        named.append(reference)
    return own_constructions(named), list(bounds.values())
