"""Whether the code of a class is still that with which its package was written."""

from __future__ import annotations

import sys
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any

_OF_C = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType)
_SLOTS = (GetSetDescriptorType, MemberDescriptorType)


def is_code(value: object) -> bool:
    """Whether an attribute of a class is code: a function, something that calls one, or something
    that is asked what the attribute is.
    """
    if isinstance(value, (type, *_SLOTS)):
        return False
    return callable(value) or hasattr(type(value), "__get__")


def is_own(value: object, package: str) -> bool:
    """Whether the code in an attribute of a class was written in this package, or is torch's
    around such code, as `torch.no_grad()` makes it. What a function says of itself
    (`__module__`, which `functools.wraps` copies) does not count: its globals and the file of its
    code do.

    Args:
        value: the attribute as the class holds it.
        package: the name of the package in which the class was written.
    """
    if isinstance(value, property):
        parts: tuple[Any, ...] = (value.fget, value.fset, value.fdel)
        return all(part is None or is_own(part, package) for part in parts)
    if isinstance(value, staticmethod | classmethod | MethodType):
        return is_own(value.__func__, package)
    if isinstance(value, _OF_C):
        origin = str(getattr(value, "__module__", None) or "builtins").partition(".")[0]
        return origin in (package, "builtins")
    if not isinstance(value, FunctionType):
        return False  # partial functions, and objects that can be called
    inside = [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
    calls = [each for each in inside if is_code(each)]
    if hasattr(value, "__wrapped__"):
        calls.append(value.__wrapped__)
    source = _written_in(value)
    around = source == "torch" and any(_written_in(each) == package for each in calls)
    own = source == package or around
    return own and all(each is value or _is_own_or_torch(each, package) for each in calls)


def _is_own_or_torch(value: object, package: str) -> bool:
    """Of code that other code calls."""
    return is_own(value, package) or is_own(value, "torch")


def _is_full(cell: Any) -> bool:
    """Whether a cell of a closure holds something."""
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _written_in(value: object) -> str | None:
    """The package of a function: that of the module whose globals it reads, if its code is from
    the file of that module.
    """
    if not isinstance(value, FunctionType):
        return None
    module = sys.modules.get(str(value.__globals__.get("__name__")))
    if module is None or getattr(module, "__file__", None) != value.__code__.co_filename:
        return None
    return module.__name__.partition(".")[0]
