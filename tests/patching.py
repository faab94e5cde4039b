"""Patching: what a model answers while some of its heads and hidden units say something else."""

from contextlib import ExitStack, contextmanager
from functools import partial

import numpy as np
import torch

from verify.queries.exported import _steps as steps_of_questions


def questions(model):
    """All token sequences after which the model answers or writes on, one batch for each length
    and each place: tokens (Q, L).
    """
    for hops in model.path_lengths:
        asked = model.queries(np.arange(model.n_queries(hops)), hops)
        yield from (
            tokens
            for tokens, _, _ in steps_of_questions(lambda t: model(t).detach(), model, *asked)
        )


def zero(activations):
    return torch.zeros_like(activations)


def of_another_question(shift, activations):
    return activations.roll(shift, 0)


def noise(seed, activations):
    generator = torch.Generator().manual_seed(seed)
    return 10 * torch.randn(activations.shape, generator=generator, dtype=activations.dtype)


NATURAL = (zero, *(partial(of_another_question, shift) for shift in (1, 4, 7)))
IDLE = {
    ("key_value_shared", "read the subject"),
    ("key_value_rows_shared", "read the subject"),
    ("hybrid_shared", "read the subject"),
    ("key_value_rows", "which pass"),
    ("key_value_rows_shared", "which pass"),
    ("key_value_grid", "read the subject"),
    ("key_value_grid", "which pass"),
    ("key_value_grid", "always"),
    ("sparse_selector_unknown", "right end"),
}
"""Steps of which one does at some place what no question needs there: a layer that is applied
again has the head that it needed the first time. Other values there make answers wrong all the
same, but those of other questions do not.
"""


def part_of(step, activations, d_head):
    """Which part of activations (batch, length, channels) or (batch, length, heads, d_head) a step
    has.
    """
    if step.units is not None:
        return (..., slice(step.units.start, step.units.stop))
    if activations.dim() == 4:
        return (slice(None), slice(None), step.head)
    return (..., slice(step.head * d_head, (step.head + 1) * d_head))


def put(steps, value, d_head, activations):
    """The activations, with other ones in the parts of these steps."""
    patched = activations.clone()
    for step in steps:
        part = part_of(step, activations, d_head)
        patched[part] = value(activations[part])
    return patched


def put_elsewhere(steps, value, d_head, activations):
    """The activations, with other ones everywhere but in the parts of these steps."""
    patched = value(activations)
    for step in steps:
        part = part_of(step, activations, d_head)
        patched[part] = activations[part]
    return patched


@contextmanager
def input_patched(modules):
    """While this lasts, each of the modules {module: function} reads what the function makes of
    its input.
    """
    with ExitStack() as stack:
        for module, function in modules.items():
            handle = module.register_forward_pre_hook(
                lambda _, given, function=function: (function(given[0]),)
            )
            stack.callback(handle.remove)
        yield


def places(decoder):
    """The modules of a standard decoder whose input holds heads and units, by (block, is head)."""
    return {
        (index, is_head): block.attention.output if is_head else block.mlp.weights[1]
        for index, block in enumerate(decoder.block_sequence())
        for is_head in (True, False)
    }


def by_place(decoder, steps):
    """The steps at each place; also where there are none."""
    found = {place: [] for place in places(decoder)}
    for step in steps:
        found[step.layer, step.units is None].append(step)
    return found


@torch.no_grad()
def logits_patched(decoder, run, steps, value, others=False):
    """For all questions the logits where something is answered: of the model as it is, and with
    these steps, or everything else, patched.
    """
    modules, d_head = places(decoder), decoder.shape.d_head
    how = put_elsewhere if others else put
    functions = {
        modules[place]: partial(how, here, value, d_head)
        for place, here in by_place(decoder, steps).items()
        if here or others
    }
    for tokens in questions(decoder):
        as_it_is = run(tokens)[:, -1]
        with input_patched(functions):
            yield as_it_is, run(tokens)[:, -1]


def moves(pairs):
    return any(bool((one.argmax(-1) != other.argmax(-1)).any()) for one, other in pairs)


def differs(pairs):
    return any(not torch.equal(one, other) for one, other in pairs)
