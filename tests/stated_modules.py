"""Modules that state something, in every form, and changes of them."""

import torch
from small_forms import built, examples, rotation, wider

from constructions import (
    Transformer,
    change_basis,
    normalize,
    seed_into,
    standard,
)

STATES = {
    "construction": (lambda m: m, ["margin"]),
    "wide": (wider, ["margin"]),
    "turned": (lambda m: change_basis(m, rotation(m.shape.d_model)), ["margin", "logit_error"]),
    "seed": (lambda m: seed_into(Transformer(wider(m).shape, torch.float64), m), ["margin"]),
    "standard": (standard, ["logit_error", "distortion", "margin"]),
    "tied": (lambda m: standard(m, tied=True), ["logit_error", "distortion", "margin"]),
    "rmsnorm": (lambda m: normalize(m, "rmsnorm"), ["logit_error", "distortion", "margin"]),
    "layernorm": (
        lambda m: normalize(m, "layernorm", "post"),
        ["logit_error", "distortion", "margin"],
    ),
}


def made(name, form):
    """A module that states something, in float64, and what it states."""
    make, names = STATES[form]
    module = make(built(name))
    return module, {what: getattr(module, what) for what in names}


def some_weight(module, seed):
    """One of the weights, and the place of one of its entries."""
    generator = torch.Generator().manual_seed(seed)
    weights = [p for p in module.parameters() if p.numel()]
    weight = weights[torch.randint(len(weights), (), generator=generator)]
    return weight, tuple(int(torch.randint(n, (), generator=generator)) for n in weight.shape)


@torch.no_grad()
def measured(model, source):
    """The smallest margin over all queries of all lengths."""
    margins = []
    for tokens, said in examples(source):
        logits = model(tokens)[:, -said.shape[1] :].double()
        own = logits.gather(-1, said[..., None])
        margins.append((own - logits.scatter(-1, said[..., None], -torch.inf)).amin())
    return min(margins).item()


def next_number(module, seed):
    weight, at = some_weight(module, seed)
    with torch.no_grad():
        weight[at] = torch.nextafter(weight[at], weight.new_tensor(torch.inf))


def through_data(module, seed):
    weight, at = some_weight(module, seed)
    version = weight._version
    weight.data[at] += 1
    assert weight._version == version  # why version counters are not asked
