"""Spaces with named slots, and linear forms on them: the one place where column offsets live.

The residual stream is a space; so are the hidden units of an MLP, the channels of a head and the
vocabulary. A space is declared by naming its slots. Weights are then written slot to slot:

    stream = Space(words=(2, 3), relation=(2,), one=())     # 2 x 3 bits, 2 flags, a constant
    words, relation = stream["words"], stream["relation"]
    asked = words + relation[:, None] - stream["one"]       # six linear forms: x[r, j] + e[r] - 1
    asked.matrix()                                          # their 6 x 9 coefficient matrix
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from constructions.guards.errors import DoesNotFit
from constructions.guards.memory import require_memory
from constructions.guards.wording import shortened

Coefficient = float | int
MOST_AXES = 30
NUMBERS_AT_ONCE = 2**18
"""Of a weight matrix that is written: the memory that writing takes does not grow with it."""
BYTES_PER_COORDINATE = 1000
"""About what a coordinate costs at least: its column numbers in forms, and its entries in a few
hundred weights.
"""


class Space:
    """A vector space whose coordinates have names. Slots are laid out in the order in which they
    are declared.

    Args:
        **shapes: slot name -> shape; `()` is a single coordinate.

    Example:
        >>> Space(attributes=(2, 3), one=()).width
        7
    """

    def __init__(self, **shapes: tuple[int, ...]):
        self.width = 0
        self.slots: dict[str, Slot] = {}
        for name, shape in shapes.items():
            _require_axes(name, shape)
        self._require_room(sum(map(math.prod, shapes.values())), f"the slots ({len(shapes):,})")
        for name, shape in shapes.items():
            self.declare(name, shape)

    def declare(self, name: str, shape: tuple[int, ...]) -> Slot:
        """Append a slot."""
        if name in self.slots:
            raise ValueError(f"the slot {name!r} is declared twice")
        size = math.prod(shape)
        _require_axes(name, shape)
        self._require_room(size, f"the slot {name!r}")
        columns = np.arange(self.width, self.width + size).reshape(shape)
        self.width += size
        self.slots[name] = Slot(self, name, columns)
        return self.slots[name]

    def _require_room(self, size: int, what: str) -> None:
        """Refuse what could only be planned, never stored, before its columns are numbered."""
        if size > 100_000:
            reported = f"the {shortened(size)} coordinates of {what} and their weights"
            require_memory(BYTES_PER_COORDINATE * (self.width + size), reported)

    def __getitem__(self, name: str) -> Slot:
        if name not in self.slots:
            raise KeyError(f"no slot is named {name!r}; there are {', '.join(self.slots)}")
        return self.slots[name]

    def span(self, names: Iterable[str]) -> Slot:
        """Several slots as one vector."""
        names = list(names)
        return Slot(
            self,
            "+".join(names),
            np.concatenate([self.slots[name].columns.ravel() for name in names]),
        )

    def names(self, columns: NDArray[np.integer]) -> tuple[str, ...]:
        """The slots that have one of these columns, in the order in which they were declared."""
        here = np.zeros(self.width, dtype=bool)
        here[columns.ravel()] = True
        return tuple(name for name, slot in self.slots.items() if here[slot.columns].any())

    def __repr__(self) -> str:
        slots = ", ".join(f"{name}={slot.shape}" for name, slot in self.slots.items())
        return f"Space({slots})"


def _require_axes(name: str, shape: tuple[int, ...]) -> None:
    """Raise DoesNotFit if a slot has more axes than numpy can broadcast."""
    if len(shape) > MOST_AXES:
        raise DoesNotFit(
            f"the slot {name!r} has {len(shape):,} axes, one for each letter; {MOST_AXES} are"
            " possible"
        )


class Form:
    """An array of linear forms on a space: each entry is a weighted sum of coordinates.

    A form of shape (a, b) stands for a * b functionals. It is a sum of terms; a term holds column
    numbers and coefficients, both broadcastable to `shape + (t,)`, and contracts the last axis.
    Within one form all columns of a functional are distinct or their coefficients add up.
    """

    def __init__(
        self, space: Space, shape: tuple[int, ...], terms: list[tuple[np.ndarray, np.ndarray]]
    ):
        self.space = space
        self.shape = shape
        self.terms = terms

    def form(self) -> Form:
        """This object as a form; a slot becomes the form that reads it."""
        return self

    @property
    def size(self) -> int:
        """The number of functionals."""
        return math.prod(self.shape)

    def __add__(self, other: Form) -> Form:
        left, right = self.form(), other.form()
        if left.space is not right.space:
            raise ValueError(
                f"forms on different spaces cannot be added: {left.space} and {right.space}"
            )
        shape = np.broadcast_shapes(left.shape, right.shape)
        return Form(left.space, shape, left.terms + right.terms)

    def __mul__(self, factor: Coefficient) -> Form:
        form = self.form()
        return Form(
            form.space, form.shape, [(columns, values * factor) for columns, values in form.terms]
        )

    __rmul__ = __mul__

    def __neg__(self) -> Form:
        return self * -1

    def __sub__(self, other: Form) -> Form:
        return self + -other.form()

    def __getitem__(self, key: Any) -> Form:
        form = self.form()
        keys = key if isinstance(key, tuple) else (key,)
        full = (
            (*keys, slice(None))
            if any(one is Ellipsis for one in keys)
            else (*keys, Ellipsis, slice(None))
        )
        terms = [
            tuple(np.broadcast_to(part, (*form.shape, part.shape[-1]))[full] for part in term)
            for term in form.terms
        ]
        return Form(form.space, np.empty(form.shape)[key].shape, terms)

    def sum(self, axis: int = 0) -> Form:
        """The forms added up along one axis."""
        form = self.form()
        axis %= len(form.shape)
        shape = form.shape[:axis] + form.shape[axis + 1 :]
        terms = []
        for term in form.terms:
            whole = np.broadcast_shapes((*form.shape, 1), term[0].shape, term[1].shape)
            columns, values = (
                np.moveaxis(np.broadcast_to(part, whole), axis, -2) for part in term
            )
            summed = (*shape, whole[axis] * whole[-1])
            terms.append((columns.reshape(summed), values.reshape(summed)))
        return Form(form.space, shape, terms)

    def reads(self) -> tuple[str, ...]:
        """The slots for whose columns there is a coefficient that is not 0."""
        form, none = self.form(), np.zeros(0, dtype=np.int64)
        found = [none, *(_used(*term) for term in form.terms)]
        used, times = np.unique(np.concatenate(found), return_counts=True)
        in_one, in_several = used[times == 1], used[times > 1]
        if in_several.size:
            in_several = form._left_of(in_several)
        return self.space.names(np.append(in_one, in_several))

    def _left_of(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the chosen columns for which the coefficients of all terms do not cancel
        out.
        """
        found = []
        for term in self.terms:
            entries = np.stack(self._entries(term))
            found.append(entries[:, np.isin(entries[1], chosen)])
        rows, columns, values = np.concatenate(found, axis=1)
        places, which = np.unique(np.stack([rows, columns]), axis=1, return_inverse=True)
        left: NDArray[np.int64] = places[1, np.bincount(which.ravel(), values) != 0].astype(int)
        return left

    def matrix(self) -> NDArray[np.float64]:
        """The coefficients as a float64 matrix of shape (size, space.width)."""
        form = self.form()
        matrix = np.zeros((form.size, form.space.width))
        for term in form.terms:
            rows, columns, values = form._entries(term)
            np.add.at(matrix, (rows, columns), values)
        return matrix

    def matrices(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """The rows of `matrix` in order, some at a time: the number of the first one, and they."""
        form, start = self.form(), 0
        of_one = math.prod(form.shape[1:]) * max(1, form.space.width)
        if form.size * form.space.width <= NUMBERS_AT_ONCE or not form.shape:
            yield 0, form.matrix()
        elif of_one > NUMBERS_AT_ONCE and len(form.shape) > 1:
            for number in range(form.shape[0]):
                for first, rows in form[number].matrices():
                    yield start + first, rows
                start += math.prod(form.shape[1:])
        else:
            some = max(1, NUMBERS_AT_ONCE // of_one)
            for first in range(0, form.shape[0], some):
                rows = form[first : first + some].matrix()
                yield start, rows
                start += len(rows)

    def _entries(
        self, term: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows, columns and coefficients that a term adds to the matrix, each (entries,)."""
        rows = np.arange(self.size).reshape(*self.shape, 1)
        whole = np.broadcast_shapes(rows.shape, *(part.shape for part in term))
        every = [np.broadcast_to(part, whole).ravel() for part in (rows, *term)]
        return every[0], every[1], every[2]


def _used(columns: np.ndarray, values: np.ndarray) -> NDArray[np.int64]:
    """The columns for which a term has a coefficient that is not 0, in order."""
    whole = np.broadcast_shapes(columns.shape, values.shape)
    columns = columns.reshape((1,) * (len(whole) - columns.ndim) + columns.shape)
    # where all functionals have the same columns, one look at these is enough
    same = tuple(axis for axis, size in enumerate(columns.shape) if size == 1)
    there = np.broadcast_to(values != 0, whole).any(axis=same, keepdims=True)
    return np.unique(np.broadcast_to(columns, there.shape)[there])


class Slot(Form):
    """A named part of a space; as a form it reads its own coordinates.

    Attributes:
        name: the name it was declared with.
        columns: int array of the slot's shape: where it lies in the space.
    """

    def __init__(self, space: Space, name: str, columns: np.ndarray):
        super().__init__(space, columns.shape, [(columns[..., None], np.ones(1))])
        self.name = name
        self.columns = columns

    def __getitem__(self, key: Any) -> Slot:
        return Slot(self.space, self.name, self.columns[key])

    def flat(self) -> Slot:
        """The same slot as a vector."""
        return Slot(self.space, self.name, self.columns.ravel())

    def __repr__(self) -> str:
        return f"Slot({self.name!r}, shape={self.shape})"


def dot(coefficients: ArrayLike, slot: Slot) -> Form:
    """The inner products `<coefficients[..., :], slot>`: shape (..., slot.size) gives a form of
    shape (...).

    Example:
        >>> dot([[1, 2]], Space(pair=(2,))['pair']).matrix()
        array([[1., 2.]])
    """
    values = np.asarray(coefficients)
    if values.shape[-1] != slot.size:
        raise ValueError(
            f"the last axis of the coefficients must be {slot.size}, the size of {slot}; got"
            f" {values.shape}"
        )
    return Form(slot.space, values.shape[:-1], [(slot.columns.ravel(), values)])


def nothing(space: Space) -> Form:
    """No form at all, shape (0,): the query and key of a head that attends uniformly."""
    return Form(space, (0,), [])
