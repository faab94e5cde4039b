"""Modules are made of ordinary tensors, whatever mode the caller is in: `torch.inference_mode`,
or a default device.

In inference mode new tensors can never again be changed or trained outside of it; with a default
device some new tensors would lie beside the model, and others there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@contextmanager
def ordinary_tensors() -> Iterator[None]:
    """Within this context new tensors are on the CPU and can be changed later; gradients are on
    or off as before.
    """
    with ExitStack() as stack:
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(mode=False))
            stack.enter_context(torch.no_grad())
        yield


def of_ordinary_tensors(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function run within `ordinary_tensors`: what it returns is on the device of what it
    was given.
    """

    @functools.wraps(function)
    def running(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """The function, run within `ordinary_tensors`."""
        with ordinary_tensors():
            return function(*args, **kwargs)

    return running
