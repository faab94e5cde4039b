"""The known mechanism of a construction in a standard decoder, where an MLP of several hidden
layers is several blocks: patched one by one, and everything else at once.
"""

from dataclasses import replace

import pytest
import torch
from hand_made import built
from patching import IDLE, NATURAL, differs, logits_patched, moves, noise

from constructions import (
    CATALOGUE,
    InputError,
    StandardDecoder,
    mechanism,
    needed_shape,
    seed_into,
    standard,
)
from constructions.decoders.reaching import steps_that_reach

NAMES = list(CATALOGUE)


def seeded(model):
    """In the middle of a larger decoder with weights of its own."""
    needed = needed_shape(model)
    shape = replace(
        needed,
        d_model=needed.d_model + 5,
        n_layers=needed.n_layers + 2,
        n_heads=needed.n_heads + 1,
        d_mlp=needed.d_mlp + 3,
        d_vocab=needed.d_vocab + 2,
    )
    return seed_into(StandardDecoder(shape, torch.float64), model, first_block=1)


@pytest.mark.parametrize("name", NAMES)
def test_just_the_listed_parts_of_a_decoder_move_its_answers(name):
    """Each moves an answer; all others together, whatever they say, not a bit of a logit."""
    model = built(name, 5, 3, dtype=torch.float64)
    for decoder in (standard(model), seeded(model)):
        steps = steps_that_reach(decoder)
        for step in steps:
            assert moves(logits_patched(decoder, decoder, [step], lambda x: noise(0, x))), step
            if decoder.shape == needed_shape(model) and (name, step.name) not in IDLE:
                assert any(moves(logits_patched(decoder, decoder, [step], by)) for by in NATURAL)
        for seed in range(2):
            silent = logits_patched(decoder, decoder, steps, lambda x, s=seed: noise(s, x), True)
            assert not differs(silent)


@pytest.mark.parametrize("name", ["key_value_rows", "hybrid", "precomputed"])
def test_patching_notices_a_list_that_lacks_a_step_or_names_the_block_behind(name):
    decoder = standard(built(name, 5, 3, dtype=torch.float64))
    steps = steps_that_reach(decoder)
    for missing in steps:
        rest = [step for step in steps if step is not missing]
        assert differs(logits_patched(decoder, decoder, rest, lambda x: noise(0, x), True))
    next_blocks = [replace(s, layer=min(s.layer + 1, decoder.shape.n_layers - 1)) for s in steps]
    assert differs(logits_patched(decoder, decoder, next_blocks, lambda x: noise(0, x), True))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", [{}, {"norm": "rmsnorm"}, {"norm": "layernorm"}, {"tied": True}])
def test_a_decoder_lists_each_head_and_unit_of_the_construction_once_under_its_own_numbers(
    name, how
):
    decoder = standard(built(name, dtype=torch.float64), proven=False, **how)
    where, steps = decoder.embedding_map, mechanism(decoder)
    for block, heads, units in zip(where.blocks, where.heads, where.units, strict=True):
        here = [step for step in steps if step.layer == block]
        named = [(s.head, s.name) for s in here if s.units is None]
        assert named == list(enumerate(heads))
        assert [u for s in here if s.units is not None for u in s.units] == list(range(units))
    assert {step.layer for step in steps} <= set(where.blocks)
    slots = {*where.stream.slots, "scratch", "answer"}
    assert {slot for step in steps for slot in (*step.reads, *step.writes)} <= slots


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_a_decoder_reads_and_writes_no_other_slots(name):
    decoder = standard(built(name, dtype=torch.float64))
    where, width = decoder.embedding_map, decoder.shape.d_head
    slots = {slot: where.slot(slot).ravel() for slot in where.stream.slots}
    slots["scratch"] = where.columns[where.space["scratch"].columns.ravel()]
    for step in mechanism(decoder):
        block = decoder.block_sequence()[step.layer]
        if step.units is None:
            rows = slice(step.head * width, (step.head + 1) * width)
            reads, writes = block.attention.value.weight[rows], block.attention.output.weight
        else:
            rows = slice(step.units.start, step.units.stop)
            reads, writes = block.mlp.matrix(0)[rows], block.mlp.matrix(1)
        for slot, columns in slots.items():
            assert bool(reads[:, columns].any()) == (slot in step.reads), (step, slot)
            assert bool(writes[columns][:, rows].any()) == (slot in step.writes), (step, slot)


def test_what_a_decoder_of_other_weights_does_is_not_known():
    model = built("key_value_rows", dtype=torch.float64)
    decoder = standard(model)
    decoder.embedding.weight.data[0, 0] += 1
    with pytest.raises(InputError, match=r"the mechanism .* embedding.weight has changed"):
        mechanism(decoder)
    model.embedding.weight.data[0, 0] += 1
    with pytest.raises(InputError, match="was trained or edited before it was written here"):
        mechanism(standard(model, proven=False))
