"""How a model was made: every public builder writes down its name and its options, so that the
model can be made again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np
import torch

from constructions.guards.errors import InputError
from constructions.guards.integers import as_declared, declares_integers
from constructions.model.ordinary_tensors import ordinary_tensors

if TYPE_CHECKING:
    from constructions.model.fact_model import FactModel

    Built = TypeVar("Built", bound=FactModel)

Arguments = ParamSpec("Arguments")

RECORDED_ELSEWHERE = frozenset({"facts", "codebook", "codebooks", "dtype"})
"""Arguments of builders that a model holds itself: as its table, its codebooks and the dtype of
its weights.
"""


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
    """Let a builder leave its recipe in the model it returns, and build with ordinary tensors.

    The builder gets Python integers and truth values, whatever types they came in. It works on
    the CPU, outside of inference mode, so that the model can be changed and trained afterwards;
    then the model is moved to torch's default device, as any module would be made there.

    Raises (when a model is built):
        InputError: an option is of another type, or the default device is `meta`, whose tensors
            hold nothing.
    """
    signature = inspect.signature(build)

    @functools.wraps(build)
    def recording(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Built:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        options = {
            name: value for name, value in call.arguments.items() if name not in RECORDED_ELSEWHERE
        }
        for name, value in options.items():
            declared = str(signature.parameters[name].annotation)
            if declared == "bool":
                options[name] = _flag(name, value)
            elif declares_integers(declared):
                options[name] = as_declared(name, value, declared)
        device = torch.get_default_device()
        if device.type == "meta":
            raise InputError(
                f"{build.__name__} writes facts into weights, and torch's default device is meta,"
                " where tensors hold nothing; build it on another device (with"
                " torch.device('cpu'): ...)"
            )
        call.arguments.update(options)
        with ordinary_tensors():
            model = build(*call.args, **call.kwargs)
            model.recipe = Recipe(build.__name__, options)
            return model if device.type == "cpu" else model.to(device)

    return recording


def _flag(name: str, value: object) -> bool:
    """A truth value: True, False, or what equals 1 or 0 of them."""
    if not isinstance(value, bool | int | np.bool_ | np.integer) or value not in (0, 1):
        raise InputError(f"{name} must be True or False; got {value!r}")
    return bool(value)
