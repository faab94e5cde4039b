"""What is stated is stated of an arithmetic: under autocast, or with less precise products, it is not."""

import pytest
import torch
from small_forms import built, rotation, wider

from constructions import (
    InputError,
    change_basis,
    noise_radius,
    normalize,
    standard,
)


@pytest.fixture
def lower_precision():
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")


SINGLE = {
    "construction": lambda m: m.margin,
    "wide": lambda m: wide.margin if (wide := wider(m)) else None,
    "turned": lambda m: change_basis(m, rotation(m.shape.d_model)).logit_error,
    "standard": lambda m: standard(m).logit_error,
    "rmsnorm": lambda m: normalize(m).distortion,
    "radius": noise_radius,
    "radius by queries": lambda m: noise_radius(m, "queries"),
}


@pytest.mark.parametrize("read", SINGLE.values(), ids=SINGLE)
def test_under_autocast_nothing_is_stated_of_float32(read):
    model, wide = built("selector", dtype=torch.float32), built("selector")
    stated = read(model)
    with torch.autocast("cpu"):
        with pytest.raises(
            InputError,
            match=r"products in torch.float32; under autocast they are in torch.bfloat16",
        ):
            pytest.fail(f"{read(model)} is stated")
        double = read(wide)  # float64 is left alone by autocast
    assert read(model) == stated
    assert read(wide) == double


@pytest.mark.parametrize("read", SINGLE.values(), ids=SINGLE)
def test_with_less_precise_products_nothing_is_stated_of_float32(read, lower_precision):
    model = built("selector", dtype=torch.float32)  # is built as ever
    with pytest.raises(InputError, match=r"products in torch.float32; here they may be in bf16"):
        pytest.fail(f"{read(model)} is stated")
    assert read(built("selector")) is not None
    torch.set_float32_matmul_precision("highest")
    read(model)


def test_the_most_specific_precision_counts():
    if not hasattr(torch.backends, "fp32_precision"):
        return
    model = built("selector", dtype=torch.float32)
    of_products, before = torch.backends.mkldnn.matmul, torch.backends.fp32_precision
    try:
        of_products.fp32_precision, torch.backends.fp32_precision = "none", "tf32"
        with pytest.raises(InputError, match="here they may be in tf32"):
            _ = model.margin
        of_products.fp32_precision = "ieee"
        assert model.margin.real == 2
    finally:
        of_products.fp32_precision = "none"
        torch.backends.fp32_precision = before
