"""Training as its caller sees it: in modes of torch that the caller has set, and printed."""

import pytest
import torch

from constructions import FactTable, OneLayerShape, fit

FACTS = FactTable.random_bijections(12, 3, seed=1)
SHAPE = OneLayerShape.of(FACTS, 4, 8)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_needs_no_gradients_of_the_caller(mode):
    """It turns them on, and the caller's mode is what it was."""
    wanted = fit(SHAPE, FACTS, steps=20, seeds=[0, 1], until=None)
    with mode():
        found = fit(SHAPE, FACTS, steps=20, seeds=[0, 1], until=None)
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    for a, b in zip(found.models, wanted.models, strict=True):
        for name, value in a.named_parameters():
            assert torch.equal(value, b.get_parameter(name)), name
    assert not found.models[0].entities.is_inference()


def test_printed_it_says_how_much_is_recalled_and_what_is_lacking():
    found = fit(SHAPE, FACTS, steps=0, seeds=[0, 1])
    first, *others = str(found).splitlines()
    assert first.startswith("2 models of 36 queries: recall 0.")
    assert " after 0 steps, in " in first
    assert " ".join(others) == found.lacking()
    alone = fit(SHAPE, FACTS, steps=0, seeds=3, until=None)
    said = str(alone)
    assert said.startswith(f"1 model of 36 queries: recall {alone.recall[0]:.4f} after 0 steps")
    assert "\n" not in said
