"""How a model was made: every public builder writes down its name and its options, so that the model can be made again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from constructions.model import FactModel

    Built = TypeVar("Built", bound=FactModel)

Arguments = ParamSpec("Arguments")

RECORDED_ELSEWHERE = frozenset({"facts", "codebook", "codebooks", "dtype"})
"""Arguments of builders that a model holds itself: as its table, its codebooks and the dtype of its weights."""


@dataclass(frozen=True)
class Recipe:
    """The call of a builder, its facts, codebooks and dtype aside.

    Attributes:
        builder: the builder's name.
        options: all its other arguments by name, those that were not given with their defaults.
    """

    builder: str
    options: dict[str, int | bool | None]


def recorded(build: Callable[Arguments, Built]) -> Callable[Arguments, Built]:
    """Let a builder leave its recipe in the model it returns."""
    signature = inspect.signature(build)

    @functools.wraps(build)
    def recording(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Built:
        model = build(*args, **kwargs)
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        options = {
            name: _plain(value, flag=signature.parameters[name].annotation in (bool, "bool"))
            for name, value in call.arguments.items()
            if name not in RECORDED_ELSEWHERE
        }
        model.recipe = Recipe(build.__name__, options)
        return model

    return recording


def _plain(value: object, flag: bool) -> int | bool | None:
    """The option as the builder has read it, also where a 1 stands for a True or a 2.0 for a 2."""
    if value is None:
        return None
    return bool(value) if flag else int(value)  # type: ignore[call-overload]  # the builder has taken it for a number
