"""Which cases of a parametrised test belong to the long tier.

A plain `python -m pytest` leaves out what is marked `long`. Where a test has a case for every
construction and every form, the fast tier takes some of them and the long tier the others, so that
each property is tested in both.
"""

import pytest

LONG = pytest.mark.long


def named(value):
    """A short id of a parameter: its own name, or what it looks like."""
    if isinstance(value, dict):
        return "-".join(f"{key}={value}" for key, value in value.items())
    return str(getattr(value, "__name__", value)).removeprefix("torch.")


def few(values, *fast, ids=named):
    """A case for each value; those that are not named here are long.

    Raises:
        ValueError: a named value is not among the values.
    """
    values = list(values)
    if missing := [one for one in fast if one not in values]:
        raise ValueError(f"{missing} are not among {values}")
    return [
        pytest.param(value, marks=() if value in fast else LONG, id=ids(value)) for value in values
    ]


def diagonal(*axes, ids=named):
    """A case for each combination of values of the axes. In the fast tier each value of each axis
    stands at least once: the i-th case has the i-th value of every axis, which start again where
    they end. All other combinations are long.
    """
    axes = [list(axis) for axis in axes]
    fast = {tuple(i % len(axis) for axis in axes) for i in range(max(len(axis) for axis in axes))}
    cases = [()]
    for axis in axes:
        cases = [(*case, i) for case in cases for i in range(len(axis))]
    found = []
    for case in cases:
        values = [axis[i] for axis, i in zip(axes, case, strict=True)]
        marks = () if case in fast else LONG
        found.append(pytest.param(*values, marks=marks, id="-".join(map(ids, values))))
    return found
