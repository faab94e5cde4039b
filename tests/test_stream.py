import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from constructions.model.stream import Space, dot, nothing

STREAM = Space(block=(2, 3), flag=(2,), one=())
VECTORS = hnp.arrays(np.int64, STREAM.width, elements=st.integers(-9, 9))


def value(form, x):
    return (form.matrix() @ x).reshape(form.shape)


def test_slots_cover_the_space_in_order_without_overlap():
    columns = np.concatenate([slot.columns.ravel() for slot in STREAM.slots.values()])
    assert columns.tolist() == list(range(STREAM.width))
    assert STREAM["block"].shape == (2, 3)
    assert STREAM["one"].shape == ()


@given(x=VECTORS)
def test_forms_mean_what_they_write_facts(x):
    block, flag, one = (x[STREAM[name].columns] for name in ("block", "flag", "one"))
    b, f, o = STREAM["block"], STREAM["flag"], STREAM["one"]
    weights = np.arange(8).reshape(4, 2)
    assert np.array_equal(value(b - f[:, None], x), block - flag[:, None])
    assert np.array_equal(value(2 * b.sum(axis=0) - o, x), 2 * block.sum(0) - one)
    assert np.array_equal(value(b.sum(axis=1) + f, x), block.sum(1) + flag)
    assert np.array_equal(value(-b[1], x), -block[1])
    assert np.array_equal(value((b - f[:, None])[1, ::2], x), (block - flag[:, None])[1, ::2])
    assert np.array_equal(value((b + o).sum(axis=-1), x), (block + one).sum(-1))
    assert np.array_equal(value(dot(weights, f), x), weights @ flag)
    assert np.array_equal(value(b + b, x), 2 * block)
    assert np.array_equal(value(STREAM.span(["flag", "one"]), x), np.append(flag, one))
    assert nothing(STREAM).matrix().shape == (0, STREAM.width)


def test_a_wrong_form_is_noticed():
    """The control of the test above: an off-by-one column changes the value."""
    x = np.arange(STREAM.width)
    assert not np.array_equal(value(STREAM["block"][0], x), x[STREAM["block"].columns[1]])


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="declared twice"):
        STREAM.declare("one", ())
    with pytest.raises(ValueError, match="different spaces"):
        STREAM["one"] + Space(one=())["one"]
    with pytest.raises(ValueError, match="last axis of the coefficients must be 2"):
        dot([1, 2, 3], STREAM["flag"])
