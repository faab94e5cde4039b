"""Entries that an optimizer moves less than it would, or not far."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from larger_decoders import larger
from standard_decoders import built, last_logits

from constructions import InputError, needed_shape, seed_into
from constructions.decoders.keeping import draw_entries, slow_entries

OPTIMIZERS = {
    "SGD": lambda weights: torch.optim.SGD(weights, 0.1, momentum=0.5, weight_decay=0.1),
    "AdamW": lambda weights: torch.optim.AdamW(weights, 0.1, weight_decay=0.1),
}
ADAMW_BOUND = 0.1 / math.sqrt(0.001 * (1 - 0.81 / 0.999))
"""Times the rate: see the top of constructions/decoders/keeping.py."""


def a_weight(seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, 4, generator=generator, dtype=torch.float64).requires_grad_()
    return weight, torch.rand(5, 4, generator=generator) < 0.5


def make_steps(optimizer, weight, gradients):
    """The weight after each step with these gradients."""
    found = []
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        found.append(weight.detach().clone())
    return torch.stack(found)


def gradients(steps, seed=1):
    return torch.randn(
        steps, 5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@given(st.floats(0, 1), st.integers(0, 9))
def test_slowed_entries_make_a_share_of_the_step(optimizer, share, seed):
    weight, mask = a_weight(seed)
    begin = weight.detach().clone()
    free, _ = a_weight(seed)
    alone = make_steps(OPTIMIZERS[optimizer]([free]), free, gradients(1))[0]
    slowed = OPTIMIZERS[optimizer]([weight])
    slow_entries(slowed, [(weight, mask)], share)
    after = make_steps(slowed, weight, gradients(1))[0]
    assert torch.equal(after[~mask], alone[~mask])
    torch.testing.assert_close(after[mask], (begin + share * (alone - begin))[mask])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_with_share_0_no_bit_changes(optimizer):
    for slowed in (True, False):
        weight, mask = a_weight()
        begin, one = weight.detach().clone(), OPTIMIZERS[optimizer]([weight])
        if slowed:
            slow_entries(one, [(weight, mask)], 0)
        drawn = gradients(20) * 1e30
        drawn[-1] = torch.nan  # whatever the step
        after = make_steps(one, weight, drawn)[-1]
        assert torch.equal(after[mask], begin[mask]) == slowed


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_slowed_entries_are_within_what_is_guaranteed(share):
    weight, mask = a_weight()
    begin, rate, steps = weight.detach().clone(), 0.1, 50
    optimizer = torch.optim.AdamW([weight], rate, weight_decay=0)
    slow_entries(optimizer, [(weight, mask)], share)
    same = gradients(1).expand(steps, 5, 4)  # always in one direction
    moved = (make_steps(optimizer, weight, same)[-1] - begin).abs()
    assert moved[mask].max() <= share * ADAMW_BOUND * rate * steps
    assert moved[mask].min() > 0.9 * share * rate * steps  # a share of each step, not of all
    assert moved[~mask].min() > share * rate * steps  # a control: the others are not


@pytest.mark.parametrize("pull", [0.5, 0.1, 0.01])
def test_drawn_entries_stay_within_what_is_guaranteed(pull):
    """Steps of one size in one direction come as near to the bound as one likes."""
    weight, mask = a_weight()
    begin, rate = weight.detach().clone(), 0.1
    optimizer = torch.optim.SGD([weight], rate)
    draw_entries(optimizer, [(weight, mask)], pull)
    steps = math.ceil(8 / pull)
    moved = (make_steps(optimizer, weight, torch.ones(steps, 5, 4).double()) - begin).abs()
    bound = (1 - pull) / pull * rate
    assert moved[:, mask].max() <= bound * (1 + 1e-9)
    assert moved[-1][mask].min() > 0.99 * bound
    assert moved[-1][~mask].min() > 2 * bound  # a control


def growing(zeros, steps, b1=0.9, b2=0.999):
    """Gradients for which Cauchy and Schwarz is an equation, after many that are 0."""
    ones = [(b1 / b2) ** (steps - 1 - i) for i in range(steps)]
    return torch.tensor([0.0] * zeros + ones, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(
    "drawn",
    [growing(8000, 100), growing(0, 100), torch.randn(500, 1).double() ** 9, growing(300, 60)],
    ids=["worst", "growing", "heavy tails", "growing later"],
)
def test_no_step_of_adamw_is_longer_than_stated(drawn):
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([weight], 0.1, weight_decay=0)
    path = make_steps(optimizer, weight, drawn)
    longest = path.diff(dim=0, prepend=torch.zeros(1, 1).double()).abs().max().item()
    assert longest <= 0.1 * ADAMW_BOUND < 0.728
    if len(drawn) > 8000:
        assert longest > 0.99 * 0.1 * ADAMW_BOUND  # the bound is sharp


@pytest.mark.parametrize("keep", [slow_entries, draw_entries])
@pytest.mark.parametrize("number", [-0.1, 1.1, float("nan"), True, "0.1", None])
def test_numbers_that_are_no_fractions_are_refused(keep, number):
    weight, mask = a_weight()
    with pytest.raises(InputError, match="from 0 to 1"):
        keep(torch.optim.SGD([weight], 0.1), [(weight, mask)], number)


@pytest.mark.parametrize("keep", [slow_entries, draw_entries])
def test_an_optimizer_of_other_parameters_is_refused(keep):
    weight, mask = a_weight()
    with pytest.raises(InputError, match="has none of the parameters"):
        keep(torch.optim.SGD([a_weight()[0]], 0.1), [(weight, mask)], 0.1)
    with pytest.raises(InputError, match="an optimizer of torch is needed; got a float"):
        keep(0.1, [(weight, mask)], 0.1)


def trained(way, norm="rmsnorm", steps=5):
    """A seeded decoder that was trained on noise with weight decay, and how far its entries have
    moved: (model, own logits before, after, the construction's, the others').
    """
    model, facts, hops = built("precomputed")
    seeded = seed_into(larger(needed_shape(model, norm), torch.float32), model)
    before = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
    optimizer = torch.optim.AdamW(seeded.parameters(), 1e-2, weight_decay=0)
    way(seeded, optimizer)
    begin = {name: weight.detach().clone() for name, weight in seeded.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(seeded.shape.d_vocab, (32, 4), generator=generator)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = seeded(tokens)[:, :-1].flatten(0, 1)
        torch.nn.functional.cross_entropy(logits, tokens[:, 1:].flatten()).backward()
        optimizer.step()
    after = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
    entries = seeded.construction_entries()
    moved = {name: (weight - begin[name]).abs() for name, weight in seeded.named_parameters()}
    own = max(moved[name][mask].max().item() for name, mask in entries.items())
    others = max(
        moved[name][~mask].max().item() for name, mask in entries.items() if (~mask).any()
    )
    return before, after, own, others


def test_a_construction_that_is_slowed_to_nothing_keeps_its_logits_to_the_last_bit():
    before, after, own, others = trained(lambda model, it: model.slow_construction(it, 0))
    assert torch.equal(before, after)
    assert own == 0 < others
    before, after, own, _ = trained(lambda *_: None)
    assert not torch.equal(before, after)
    assert own > 0


def test_a_construction_that_is_slowed_or_drawn_stays_within_what_is_guaranteed():
    rate, steps = 1e-2, 10
    _, _, own, others = trained(lambda model, it: model.slow_construction(it, 0.1), steps=steps)
    assert 0 < own <= 0.1 * ADAMW_BOUND * rate * steps
    assert own < others
    _, _, own, others = trained(lambda model, it: model.draw_construction(it, 0.25))
    assert 0 < own <= 3 * ADAMW_BOUND * rate * 1.001
    assert own < others
