"""How a model was made: every public builder leaves itself and its options in the model, so that
the model can be made again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numpy as np

from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import as_declared, declares_integers
from constructions.model.shapes import TransformerShape

Arguments = ParamSpec("Arguments")
Built = TypeVar("Built")
Built_co = TypeVar("Built_co", covariant=True)


class Planned(Protocol[Built_co]):
    """A model of which everything is known and no weight is allocated yet: see
    `constructions.writing.plan.Plan`.
    """

    @property
    def construction(self) -> str:
        """The name in the catalogue."""

    @property
    def shape(self) -> TransformerShape:
        """All sizes of the model."""

    @property
    def codebooks(self) -> tuple[Codebook, ...]:
        """What gives the nodes their codes."""

    def made_by(self, recipe: Recipe) -> Planned[Built_co]:
        """The same plan, which leaves this recipe in the model."""

    def then_install(self, facts: FactTable) -> Planned[Built_co]:
        """The same plan, which at last installs these facts in the model."""

    def without_tables(self) -> Built_co:
        """The model without its embedding and its unembedding."""

    def build(self) -> Built_co:
        """Allocate the model and write all its weights."""


class Builder(Protocol[Arguments, Built_co]):
    """A public builder: called, it returns a model; `plan`, with the same arguments, tells its
    sizes first.
    """

    __name__: str

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Built_co:
        """The model."""

    def plan(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Planned[Built_co]:
        """The model before it is built: its `shape` is known, and no weight is allocated."""


@dataclass(frozen=True)
class Recipe:
    """The call of a builder, its facts, codebooks and dtype aside.

    Attributes:
        build: the builder. It is a function of a module, so that copies of a model share it, and a
            pickled one finds it by its name.
        options: all its other arguments by name, those that were not given with their defaults.
    """

    build: Builder[..., Any]
    options: dict[str, int | bool | None]

    @property
    def builder(self) -> str:
        """The builder's name."""
        return self.build.__name__


def recorded(
    plan: Callable[Arguments, Planned[Built]],
) -> Builder[Arguments, Built]:
    """Make a public builder of a function that plans a model.

    The builder has the function's name, arguments and docstring, and returns the model itself,
    with the recipe in it; `builder.plan(...)` returns the plan. The function gets Python integers
    and truth values, whatever types they came in.

    Raises (when a model is planned):
        InputError: an option is of another type.
    """
    signature = inspect.signature(plan)
    names = option_names(plan)

    @functools.wraps(plan)
    def planning(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Planned[Built]:
        """The plan, with the recipe for the model."""
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        options = {name: call.arguments[name] for name in names}
        for name, value in options.items():
            declared = _declared(signature.parameters[name])
            if declared == "bool":
                options[name] = _flag(name, value)
            elif declares_integers(declared):
                options[name] = as_declared(name, value, declared)
            elif not isinstance(value, bool | int | None):
                raise InputError(
                    f"the builder {plan.__name__} declares {name} as {declared}, and a recipe"
                    " records integers and truth values: declare it as int, bool, int | None, or"
                    " as the Codebook that it is"
                )
        call.arguments.update(options)
        planned = plan(*call.args, **call.kwargs)
        if not hasattr(planned, "made_by"):
            raise InputError(
                f"the builder {plan.__name__} has returned a {type(planned).__name__}; it must"
                " return the plan of a model, draft.plan(...)"
            )
        return planned.made_by(Recipe(builder, options))

    @functools.wraps(plan)
    def building(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Built:
        """The model, with the recipe in it."""
        return planning(*args, **kwargs).build()

    builder = cast("Builder[Arguments, Built]", building)
    returned = str(signature.return_annotation).removeprefix("Plan[").removesuffix("]")
    building.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
    building.__annotations__ = {**plan.__annotations__, "return": returned}
    building.plan = planning  # type: ignore[attr-defined]
    return builder


def option_names(build: Callable[..., Any]) -> list[str]:
    """The arguments of a builder that its recipe records: all but those that a model holds itself,
    as its table, its codebooks and the dtype of its weights.
    """
    held = {"facts", "dtype", codebooks_argument(build)[0]}
    return [name for name in inspect.signature(build).parameters if name not in held]


def codebooks_argument(build: Callable[..., Any]) -> tuple[str | None, bool]:
    """The name of a builder's argument that is declared as a `Codebook`, or as a list of them, and
    whether it is a list; None where there is no such argument.
    """
    for name, parameter in inspect.signature(build).parameters.items():
        declared = _declared(parameter)
        if Codebook.__name__ in declared:
            return name, declared.startswith(("list", "Sequence", "tuple"))
    return None, False


def _declared(parameter: inspect.Parameter) -> str:
    """How a parameter is declared, whether its module keeps annotations as text or not."""
    declared = parameter.annotation
    if declared is inspect.Parameter.empty:
        return "nothing"
    return declared.__name__ if type(declared) is type else str(declared)


def _flag(name: str, value: object) -> bool:
    """A truth value: True, False, or what equals 1 or 0 of them."""
    if not isinstance(value, bool | int | np.bool_ | np.integer) or value not in (0, 1):
        raise InputError(f"{name} must be True or False; got {value!r}")
    return bool(value)
