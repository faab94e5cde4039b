"""`mechanism` of what another tool holds: in its names, and patched there by its own means."""

import json
import re
from collections import defaultdict
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import torch
from export_tools import EVERY_TOOL, hugging_face, lens, onnx
from hand_made import built
from patching import IDLE, NATURAL, input_patched, noise, put, put_elsewhere, questions

from constructions import CATALOGUE, FactTable, InputError, key_value_rows, mechanism, standard
from constructions.export import export, to_huggingface, to_transformerlens
from constructions.forms.mechanism import note_steps

NAMES = list(CATALOGUE)
SOME = {seed: partial(noise, seed) for seed in range(2)}


def every_hook(decoder):
    """The names of all tensors of heads and of units in TransformerLens, and nothing of ours."""
    return [
        f"blocks.{block}.{name}"
        for block in range(decoder.shape.n_layers)
        for name in ("attn.hook_z", "mlp.hook_post")
    ]


def by_tensor(steps):
    found = defaultdict(list)
    for step in steps:
        found[step.acts].append(step)
    return found


def answers_patched(bridge, tokens, steps, value, every=None):
    """The answers with these steps, or everything but them, patched by TransformerLens."""
    how = put if every is None else put_elsewhere
    named = by_tensor(steps)

    def hook(name):
        return lambda acts, hook: how(named[name], value, None, acts)

    with torch.no_grad():
        return bridge.run_with_hooks(tokens, fwd_hooks=[(n, hook(n)) for n in every or named])


def moved(bridge, batches, steps, value, every=None):
    return any(
        bool(
            (answers_patched(bridge, tokens, steps, value, every)[:, -1].argmax(-1) != said).any()
        )
        for tokens, said in batches
    )


@lens
@pytest.mark.parametrize("name", NAMES)
def test_just_the_listed_components_move_the_answer_when_transformerlens_patches_them(name):
    model = built(name, 5, 3, dtype=torch.float64)
    bridge, decoder = to_transformerlens(model), standard(model)
    steps, every = mechanism(bridge), every_hook(decoder)
    batches = [(tokens, bridge(tokens)[:, -1].argmax(-1)) for tokens in questions(decoder)]
    for step in steps:
        assert step.acts in every
        assert step.adds in bridge.run_with_cache(batches[0][0])[1]
        assert any(moved(bridge, batches, [step], by) for by in SOME.values()), step
        if (name, step.name) not in IDLE:
            assert any(moved(bridge, batches, [step], by) for by in NATURAL), step
    assert not any(moved(bridge, batches, steps, by, every) for by in SOME.values())
    for missing in steps[:1]:  # the control: patch it together with the others
        rest = [step for step in steps if step is not missing]
        assert any(moved(bridge, batches, rest, by, every) for by in SOME.values())


@lens
def test_lens_names_an_mlp_of_three_hidden_layers_by_the_three_blocks_that_it_takes():
    model = built("key_value_rows", 5, 3)
    mlps = [step for step in mechanism(to_transformerlens(model)) if step.units is not None]
    assert {step.adds for step in mlps} == {f"blocks.{b}.hook_mlp_out" for b in range(6)}
    assert {step.layer for step in mechanism(model)} == {0, 1}
    step = next(step for step in mlps if step.layer == 5)
    assert str(step).startswith("blocks.5.hook_mlp_out, units ")
    assert "of blocks.5.mlp.hook_post: " in str(step)


@lens
def test_the_page_on_known_mechanisms_shows_the_last_steps_of_a_memory_in_lens():
    facts = FactTable.random_bijections(entities=64, relations=3, seed=0)
    steps = mechanism(to_transformerlens(key_value_rows(facts, hops=2)))
    page = (Path(__file__).parents[2] / "docs" / "interpretability.md").read_text()
    _, shown = re.findall(r"^```text\n(.*?)^```", page, re.M | re.S)
    assert shown.splitlines() == [str(step) for step in steps[-2:]]
    assert f"has {len(steps)}\nsteps" in page


@lens
@hugging_face
@pytest.mark.parametrize("to", [to_transformerlens, to_huggingface])
def test_what_a_module_of_another_tool_with_other_weights_does_is_not_known(to):
    made = to(built("selector"))
    assert mechanism(made)
    with torch.no_grad():
        next(made.parameters())[0, 0] += 1
    with pytest.raises(InputError, match="has changed; make it anew"):
        mechanism(made)


@lens
def test_steps_are_known_of_no_other_module_of_the_same_class():
    other = import_module("constructions.export.transformerlens").bridge_of(
        standard(built("selector"))
    )
    with pytest.raises(InputError, match=r"mechanism\.json"):
        mechanism(other)
    note_steps(other, mechanism(to_transformerlens(built("selector"))))
    assert mechanism(other)


@hugging_face
@pytest.mark.parametrize("name", ["key_value_rows", "chain_of_thought", "hybrid"])
def test_just_the_listed_modules_move_the_answer_in_hugging_face_transformers(name):
    model = built(name, 5, 3, dtype=torch.float64)
    made = to_huggingface(model)
    steps, modules = mechanism(made), dict(made.named_modules())
    d_head = made.decoder.shape.d_head
    every = [
        f"decoder.blocks.{b}.{part}"
        for b in range(made.decoder.shape.n_layers)
        for part in ("attention.output", "mlp.weights.1")
    ]

    @torch.no_grad()
    def patched(tokens, chosen, how, names):
        functions = {
            modules[n]: partial(how, by_tensor(chosen)[n], SOME[0], d_head) for n in names
        }
        with input_patched(functions):
            return made(tokens).logits[:, -1]

    batches = list(questions(standard(model)))
    for step in steps:
        assert step.adds in modules
        assert any(
            bool(
                (
                    patched(t, [step], put, [step.acts]).argmax(-1)
                    != patched(t, [], put, []).argmax(-1)
                ).any()
            )
            for t in batches
        )
    for tokens in batches:
        silent = patched(tokens, steps, put_elsewhere, every)
        assert torch.equal(silent, patched(tokens, [], put, []))


@EVERY_TOOL
def test_a_folder_lists_the_mechanism_in_the_names_of_the_tool(tool, tmp_path):
    model = built("key_value_rows", 5, 3)
    export(model, tool, tmp_path / "out")
    listed = json.loads((tmp_path / "out" / "mechanism.json").read_text())
    to = {"transformerlens": to_transformerlens, "huggingface": to_huggingface}.get(tool)
    assert len(listed) == 30
    assert {entry["block"] for entry in listed} == set(range(6))
    if to is not None:
        for entry, step in zip(listed, mechanism(to(model)), strict=True):
            assert (entry["name"], entry["adds"], entry["acts"], entry["head"]) == (
                step.name,
                step.adds,
                step.acts,
                step.head,
            )
            assert entry["units"] == (
                None if step.units is None else [step.units.start, step.units.stop - 1]
            )
    trained = standard(model)
    trained.reset_parameters(0.3)
    export(trained, tool, tmp_path / "trained", margin=0)
    assert not (tmp_path / "trained" / "mechanism.json").exists()


@onnx
def test_the_names_in_the_mechanism_are_those_of_values_in_the_graph(tmp_path):
    import onnx as onnx_package

    model = built("key_value_rows", 5, 3)
    export(model, "onnx", tmp_path / "out")
    graph = onnx_package.load(tmp_path / "out" / "model.onnx").graph
    values = {name for node in graph.node for name in node.output}
    for entry in json.loads((tmp_path / "out" / "mechanism.json").read_text()):
        assert {entry["adds"], entry["acts"]} <= values
