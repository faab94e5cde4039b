"""Integer arguments: every integer type is one (numpy's and torch's too); a truth value or a
fraction is none.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from constructions.guards.errors import InputError
from constructions.guards.wording import shortened

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_KINDS = ("int", "int | None")
_OPTIONS = ("Mapping[str, int]", "Mapping[str, int] | None")


def whole(name: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """The value as a Python integer, of any size.

    Args:
        name: what it is called in the message.
        value: anything with `__index__` that is no truth value.
        least, most: the range, ends included; None for no end.

    Raises:
        InputError: it is no integer, or out of range; the message has the range and the value.
    """
    number: int | None = None
    if type(value) is int:
        number = value
    elif not isinstance(value, bool) and not str(getattr(value, "dtype", "")).endswith("bool"):
        with suppress(TypeError):  # no integer, or several
            number = operator.index(value)
    if (
        number is None
        or (least is not None and number < least)
        or (most is not None and number > most)
    ):
        range_ = (
            ""
            if least is None
            else f" of at least {least:,}"
            if most is None
            else f" from {least:,} to {most:,}"
        )
        reported = repr(value) if number is None or abs(number) < 10**24 else shortened(number)
        raise InputError(f"{name} must be an integer{range_}; got {reported}")
    return number


def takes_integers(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function get Python integers for all arguments that it declares as `int`, `int |
    None` or options by name.

    Raises (when it is called):
        InputError: an argument that should be an integer is none; see `whole`.
    """
    signature = inspect.signature(function)
    integers = {n: p for n, p in signature.parameters.items() if declares_integers(p.annotation)}

    @functools.wraps(function)
    def taking(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """The function, called with Python integers."""
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:  # Python's own message, which names the function
            return function(*args, **kwargs)
        for name in integers.keys() & call.arguments.keys():
            call.arguments[name] = as_declared(
                name, call.arguments[name], str(integers[name].annotation)
            )
        return function(*call.args, **call.kwargs)

    return taking


def require_integer_fields(instance: Any) -> None:
    """For `__post_init__`: the fields of a dataclass that are declared as integers become Python
    integers.

    Raises:
        InputError: one of them is none, or is negative; see `whole`.
    """
    for field in dataclasses.fields(instance):
        if declares_integers(field.type):
            value = getattr(instance, field.name)
            object.__setattr__(
                instance, field.name, as_declared(field.name, value, str(field.type), least=0)
            )


def as_declared(name: str, value: Any, declared: str, least: int | None = None) -> Any:
    """The value as its declaration reads: an integer, None where that is allowed, or integers by
    name.
    """
    if value is None and "None" in declared:
        return None
    if declared in _OPTIONS:
        if not isinstance(value, Mapping):
            raise InputError(f"{name} must be integers by name; got {value!r}")
        return {key: whole(str(key), number, least) for key, number in value.items()}
    return whole(name, value, least)


def declares_integers(annotation: object) -> bool:
    """Whether a parameter or a field with this annotation is an integer, or holds integers by
    name.
    """
    return annotation is int or annotation in _KINDS or annotation in _OPTIONS
