"""Constructions in other tools: each export is loaded by the other tool and asked every query there.

A test is skipped where its tool is not installed, unless EXPORT_TOOLS_REQUIRED is set, as in .ci/run.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hand_made import built
from test_readme import matches, runs

from constructions import CATALOGUE, FactTable, InputError, chain_of_thought, selector, standard
from constructions.answering import Writing
from constructions.export import TOOLS, export, to_huggingface, to_onnx, to_transformerlens
from constructions.export.names import distinct_names
from verify.__main__ import main
from verify.exported import MOST_QUERIES, ask, export_and_ask

PAGE = (Path(__file__).parent.parent / "docs" / "export.md").read_text()
PACKAGES = {"transformerlens": "transformer_lens", "huggingface": "transformers", "onnx": "onnxruntime"}
FAMILY = [("Alice", "mother", "Beth"), ("Beth", "mother", "Carla"), ("Alice", "best friend", "Dora")]
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def needs(tool):
    missing = find_spec(PACKAGES[tool]) is None and "EXPORT_TOOLS_REQUIRED" not in os.environ
    return pytest.mark.skipif(missing, reason=f"{PACKAGES[tool]} is not installed: pip install '.[{tool}]'")


EVERY_TOOL = pytest.mark.parametrize("tool", [pytest.param(tool, marks=needs(tool)) for tool in TOOLS])
lens, hugging_face, onnx = (needs(tool) for tool in TOOLS)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("a test of exports asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def family():
    return chain_of_thought(FactTable.from_triples(FAMILY), max_hops=2)


def itself(model):
    """The model as if another tool ran it."""
    return lambda tokens: model(tokens).detach()


def readme_code(folder):
    return re.search(r"^```python\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S)[1]


# ------------------------------------------------------------------ every construction, in every tool


@EVERY_TOOL
@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_query_is_answered_right_in_the_other_tool(name, dtype, tool, tmp_path, record_property):
    partial = dtype == "float64" and CATALOGUE[name].random_partial_facts is not None
    model = built(name, 5, 3, hops=2, partial=partial, dtype=DTYPES[dtype])
    asked = export_and_ask(model, tool, tmp_path / "out")
    record_property("difference", asked.difference)
    assert asked.right, asked.line(tool)
    assert (
        asked.queries
        == asked.all_queries
        == sum(5 * 3**k for k in ([1, 2] if isinstance(model, Writing) else [model.hops]))
    )
    assert asked.dtype == dtype
    assert asked.allowed < (1e-3 if name == "attention_selector" else 1e-99)  # its softmax alone rounds
    assert asked.difference <= asked.allowed


@EVERY_TOOL
def test_a_chain_of_several_hops_a_token_is_continued_in_the_other_tool(tool, tmp_path):
    model = built("chain_of_thought", 4, 2, hops=3, partial=True, given={"hops_per_token": 2})
    asked = export_and_ask(model, tool, tmp_path / "out")
    assert asked.right
    assert asked.queries == 4 * (2 + 4 + 8)


@EVERY_TOOL
def test_a_trained_model_with_weights_of_all_kinds_has_the_same_logits_in_the_other_tool(tool):
    """Weights that are no integers, so that a term that is left out shows in every logit."""
    decoder = standard(built("hybrid", 5, 2, dtype=torch.float64))
    decoder.reset_parameters(0.3)
    tokens = torch.arange(decoder.shape.d_vocab)[:, None].roll(1) * torch.ones(1, 3, dtype=torch.int64)
    tokens[:, 1:] = torch.randint(decoder.shape.d_vocab, (len(tokens), 2))
    there = run_by(tool, decoder)(tokens)
    assert there.dtype == torch.float64
    torch.testing.assert_close(there, decoder(tokens).detach(), rtol=1e-9, atol=1e-9)


@EVERY_TOOL
@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_norms_travel_or_are_refused(norm, tool):
    model = built("selector", 5, 2, dtype=torch.float64)
    for placement in ("pre", "post"):
        decoder = standard(model, norm=norm, placement=placement, tied=placement == "post")
        decoder.reset_parameters(0.3)
        for gain in decoder.norms():
            torch.nn.init.normal_(gain.weight)
        if tool == "transformerlens":
            with pytest.raises(InputError, match="without norms"):
                run_by(tool, decoder)
            continue
        tokens = torch.randint(decoder.shape.d_vocab, (6, 2))
        torch.testing.assert_close(run_by(tool, decoder)(tokens), decoder(tokens).detach(), rtol=1e-9, atol=1e-9)


def run_by(tool, model):
    """The model as the other tool runs it, from the files that it has read."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        export(model, tool, folder, found.append)
    return found[0]


# ------------------------------------------------------------------ asking: what must not pass


def test_asking_notices_other_facts_other_logits_and_no_numbers():
    model = built("selector", 5, 2)
    assert ask(itself(model), model, allowed=0).right
    other = ask(itself(built("selector", 5, 2, seed=2)), model, allowed=1)
    assert other.wrong > 0
    assert not other.right
    shifted = ask(lambda tokens: model(tokens).detach() + 0.25, model, allowed=0)
    assert (shifted.wrong, shifted.difference, shifted.right) == (0, 0.25, False)
    assert ask(lambda tokens: model(tokens).detach() + 0.25, model, allowed=0.5).right
    near = ask(
        itself(model), model, allowed=1.5
    )  # another order of summation may be off by 4 times half of that: 3 > 2
    assert (near.wrong, near.unknown, near.verdict, near.right) == (0, near.queries, "UNKNOWN", False)
    assert near.line("onnx").startswith(
        f"UNKNOWN: {near.queries} queries asked in onnx, 0 wrong, {near.queries} undecided"
    )

    def shifted_at_the_subject(tokens):
        return torch.cat([model(tokens)[:, :1] + 1, model(tokens)[:, 1:]], 1).detach()

    assert ask(shifted_at_the_subject, model, allowed=0).difference == 0, (
        "nothing is claimed of positions that do not answer"
    )
    nan = ask(lambda tokens: model(tokens).detach() * torch.nan, model, allowed=1)
    assert nan.wrong == nan.queries
    assert not nan.right
    assert json.loads(nan.as_json("onnx"))["difference"] is None
    tied = ask(lambda tokens: model(tokens).detach() * 0, model, allowed=1)
    assert tied.wrong == tied.queries


def test_asking_notices_another_dtype():
    model = built("selector", 5, 2, dtype=torch.float64)
    asked = ask(lambda tokens: model(tokens).detach().float(), model, allowed=0)
    assert (asked.wrong, asked.difference, asked.other_dtype, asked.right) == (0, 0.0, "float32", False)
    assert "computes in float32" in asked.line("onnx")


def test_a_chain_is_continued_with_what_the_other_tool_says(family):
    dora, end = 3, family.vocabulary.special("end")
    fed = []

    def says(token, score):
        def run(tokens):
            fed.append(tokens[:, -1])
            return family(tokens).detach().index_fill(-1, torch.tensor([token]), score)

        return run

    for token, score in ((dora, 99.0), (end, 99.0), (end, -99.0)):
        asked = ask(says(token, score), family, allowed=1)
        assert asked.wrong == asked.queries
    assert bool((fed[1] == dora).all())


def test_of_many_queries_a_sample_is_asked_and_told():
    model = built("scalar_selector", 700, 7)
    asked = ask(itself(model), model, allowed=0)
    assert (asked.queries, asked.all_queries, asked.right) == (MOST_QUERIES, 4900, True)
    assert "drawn from 4,900" in asked.line("onnx")


# ------------------------------------------------------------------ TransformerLens, and its traps


@lens
def test_lens_activations_are_those_of_the_decoder_and_can_be_changed(family):
    decoder = standard(family)
    bridge = to_transformerlens(family)
    tokens = family.prompt(*(torch.tensor(x).numpy() for x in ([0, 1], [[0, 1], [0, 0]])))
    logits, cache = bridge.run_with_cache(tokens)
    trace = decoder.trace(tokens)
    assert torch.equal(logits, trace.logits)
    for layer in range(decoder.shape.n_layers):
        assert torch.equal(cache[f"blocks.{layer}.attn.hook_pattern"], trace.patterns[f"layers.{layer}"])
        assert torch.equal(cache[f"blocks.{layer}.hook_resid_post"], trace.residual[f"layers.{layer}.post"])
    blind = bridge.run_with_hooks(tokens, fwd_hooks=[("blocks.0.attn.hook_pattern", lambda pattern, hook: pattern * 0)])
    assert not torch.equal(blind, logits)


@lens
def test_lens_divides_scores_whatever_its_options_say_so_queries_are_scaled():
    model = built("attention_selector", 5, 2, dtype=torch.float64)
    decoder = standard(model)
    root = decoder.shape.d_head**0.5
    assert root > 1
    own = model.layers[0].attention.query.weight.abs().max()
    assert to_transformerlens(model).state_dict()["blocks.0.attn.q.weight"].abs().max() == own * root
    with pytest.raises(ValueError, match="unscaled"):
        booted(decoder.shape, attn_scale=1.0)
    decoder.reset_parameters(0.3)  # gaps as small as in a model that is trained: then a wrong scale shows
    state = to_transformerlens(decoder).state_dict()
    bridge = booted(decoder.shape, use_attn_scale=False).double()
    bridge.load_state_dict(state, strict=True)
    tokens = torch.tensor([[0, 1], [4, 6]])
    torch.testing.assert_close(bridge(tokens), decoder(tokens))  # use_attn_scale=False is ignored
    bridge.load_state_dict(state | {name: state[name] / root for name in state if "attn.q" in name}, strict=True)
    assert (bridge(tokens) - decoder(tokens)).abs().max() > 1e-4


@lens
def test_lens_ignores_the_dtype_of_a_config_so_it_is_given_to_boot_native(tmp_path):
    model = built("selector", 4, 2, dtype=torch.float64)
    assert {p.dtype for p in booted(standard(model).shape, dtype=torch.float64).parameters()} == {torch.float32}
    assert {p.dtype for p in to_transformerlens(model).parameters()} == {torch.float64}
    export(model, "transformerlens", tmp_path / "out")
    loaded = import_module("constructions.export.transformerlens").load(tmp_path / "out")
    assert {p.dtype for p in loaded.parameters()} == {torch.float64}


@lens
def test_lens_always_has_positions_so_the_table_is_zero():
    model = built("selector", 4, 2)
    assert model.positions is None
    with pytest.raises(ValueError, match="positional_embedding_type"):
        booted(standard(model).shape, positional_embedding_type="none")
    assert not to_transformerlens(model).state_dict()["pos_embed.weight"].any()


@lens
@pytest.mark.parametrize("name", ["key_value_rows", "hybrid_shared"])  # three and two hidden layers
def test_lens_has_one_width_and_one_hidden_layer_so_mlps_are_padded_and_split(name):
    model = built(name)
    state = to_transformerlens(model).state_dict()
    widths = [len(value) for key, value in state.items() if re.fullmatch(r"blocks\.\d+\.mlp\.in\.weight", key)]
    assert len(set(widths)) == 1
    assert len(widths) >= model.shape.repeats * sum(len(layer.d_mlp) for layer in model.shape.layers)
    unused = [not value.any(1).all() for key, value in state.items() if key.endswith("mlp.in.weight")]
    assert any(unused)  # units without a weight: zero-padded
    assert not any(value.any() for key, value in state.items() if key.endswith("bias"))


@lens
def test_lens_has_no_hooked_transformer():
    with pytest.raises(ImportError, match="removed in TransformerLens 4"):
        _ = import_module("transformer_lens").HookedTransformer


def booted(shape, **others):
    module = import_module("constructions.export.transformerlens")
    return module.TransformerBridge.boot_native(
        module.TransformerBridgeConfig(**module._config(shape) | others), device="cpu"
    )


# ------------------------------------------------------------------ Hugging Face


@hugging_face
def test_hugging_face_saves_and_loads_what_it_got(family, tmp_path):
    model = to_huggingface(family)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert not loaded.training
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    assert loaded.config.shape == standard(family).shape
    assert (loaded.config.construction, loaded.config.hops) == ("chain_of_thought", 2)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]


@hugging_face
def test_hugging_face_generates_the_entities_on_the_way(family, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    export(family, "huggingface", tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")

    def written(*names):
        prompt = tokenizer("\t".join(names), return_tensors="pt")
        ids = model.generate(**prompt)[0, prompt["input_ids"].shape[1] :]
        return tokenizer.convert_ids_to_tokens(ids)

    assert written("Alice", "mother", "mother") == ["Beth", "Carla", "<end>"]
    assert written("Alice", "best friend", "<pad>") == ["Dora", "<end>"]
    assert written("Carla", "mother", "mother") == ["<unknown>", "<unknown>", "<end>"]
    prompts = tokenizer(["Alice\tmother\tmother", "Alice\tbest friend\t<pad>"], return_tensors="pt")
    ids = model.generate(**prompts)[:, 3:]
    assert [tokenizer.convert_ids_to_tokens(row) for row in ids] == [
        ["Beth", "Carla", "<end>"],
        ["Dora", "<end>", "<end>"],
    ]


@hugging_face
def test_hugging_face_refuses_a_mask_that_hides_tokens_and_gives_a_loss(family):
    model = to_huggingface(family)
    tokens = torch.tensor([[0, 4, 4]])
    with pytest.raises(ValueError, match="hides tokens"):
        model(tokens, attention_mask=torch.tensor([[1, 1, 0]]))
    loss = model(tokens, labels=tokens).loss
    loss.backward()
    logits = family(tokens).detach()
    torch.testing.assert_close(loss.detach(), torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:]))


@hugging_face
def test_names_that_clash_have_tokens_of_their_own():
    facts = FactTable([[1, 2, 0], [0, 0, 0]], ["mother", "mother:", "<unknown>"], ["mother", "is a"])
    model = selector(facts)
    names = distinct_names(model)
    assert names == ["mother", "mother:", "<unknown>", "mother::", "is a", "<unknown>:"]
    tokenizer = import_module("constructions.export.huggingface").tokenizer(model)
    assert tokenizer("\t".join(names))["input_ids"] == list(range(6))
    with pytest.raises(Exception, match="UNK"):
        tokenizer("mother\tnobody")


@hugging_face
def test_hugging_face_has_no_such_architecture_itself():
    """GPT-2 stands for its native decoders: there is a norm that no option takes away."""
    from transformers import GPT2Config, GPT2LMHeadModel

    gpt = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=4, n_head=1, vocab_size=5, n_positions=3))
    assert any(isinstance(module, torch.nn.LayerNorm) for module in gpt.modules())
    assert not standard(built("selector")).norms()


# ------------------------------------------------------------------ ONNX


@onnx
def test_onnx_takes_any_batch_and_length_but_no_more_than_there_are_positions(tmp_path):
    import onnxruntime

    model = built("key_value", 5, 2)
    to_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == ("tokens", ["batch", "length"], "tensor(int64)")
    assert (made.name, made.shape, made.type) == ("logits", ["batch", "length", model.shape.d_vocab], "tensor(float)")
    for batch, length in ((1, 1), (4, 2), (2, 3)):
        tokens = torch.randint(model.shape.d_vocab, (batch, length))
        (logits,) = session.run(None, {"tokens": tokens.numpy()})
        assert torch.equal(torch.from_numpy(logits), model(tokens).detach())
    with pytest.raises(Exception, match="out of data bounds"):
        session.run(None, {"tokens": torch.zeros(1, 4, dtype=torch.int64).numpy()})


@onnx
def test_onnx_refuses_a_dtype_that_would_be_computed_in_another(tmp_path):
    with pytest.raises(InputError, match=r"float16"):
        to_onnx(built("scalar_selector", dtype=torch.float16), tmp_path / "model.onnx")
    assert not any(tmp_path.iterdir())


@onnx
def test_large_weights_go_to_a_second_file(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("constructions.export.onnx_graph"), "LARGEST_FILE", 1000)
    asked = export_and_ask(built("selector", 40, 2), "onnx", tmp_path / "out")
    assert asked.right
    assert (tmp_path / "out" / "model.onnx.data").stat().st_size > 1000


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("tool", [pytest.param(tool, marks=needs(tool)) for tool in ("transformerlens", "huggingface")])
def test_narrow_dtypes_stay_as_they_are(dtype, tool, tmp_path):
    asked = export_and_ask(built("scalar_selector", 5, 2, dtype=dtype), tool, tmp_path / "out")
    assert asked.right
    assert asked.dtype == str(dtype).removeprefix("torch.")


# ------------------------------------------------------------------ folders and the command line


@EVERY_TOOL
def test_the_readme_of_a_folder_loads_it(tool, family, tmp_path, monkeypatch):
    export(family, tool, tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    found = {}
    exec(compile(readme_code(Path()), "README.md", "exec"), found)
    assert found["logits"].shape[-1] == len(family.vocabulary)
    names = json.loads(Path("vocabulary.json").read_text())
    assert [*names["entities"], *names["relations"], *names["specials"]] == [
        *("Alice", "Beth", "Carla", "Dora"),
        *("mother", "best friend"),
        *("unknown", "pad", "end"),
    ]


@EVERY_TOOL
def test_the_command_exports_asks_and_tells(tool, family, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    family.save("model")
    command = ["export", "model", "--to", tool, "out", "--json", "result.json"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert printed == (
        f"PASS: 24 queries asked in {tool}, 0 wrong; largest logit difference 0 in float32 (allowed: 0)\nwritten: out\n"
    )
    told = json.loads(Path("result.json").read_text())
    assert (told["verdict"], told["queries"], told["all_queries"], told["difference"]) == ("PASS", 24, 24, 0.0)
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    assert main(command) == 2
    assert "stays as it is" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in Path("out").iterdir()}


class Stub:
    """A tool that needs nothing, and answers what it is told to."""

    README = "# Stub\n"

    def __init__(self, run):
        self.run = run

    def save(self, model, folder):
        (folder / "weights").write_bytes(b"1")

    def runner(self, folder):
        assert (folder / "weights").read_bytes() == b"1"
        return self.run


@pytest.fixture
def saved(family, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    family.save("model")
    return family


def test_what_answers_wrong_is_not_written(saved, monkeypatch, capsys):
    monkeypatch.setattr("constructions.export.tool", lambda name: Stub(lambda tokens: -saved(tokens).detach()))
    assert main(["export", "model", "--to", "onnx", "out", "--json", "result.json"]) == 1
    assert "FAIL: 24 queries asked in onnx, 24 wrong" in capsys.readouterr().out
    assert json.loads(Path("result.json").read_text())["verdict"] == "FAIL"
    assert sorted(path.name for path in Path().iterdir()) == ["model", "result.json"]


def test_what_stops_half_way_leaves_nothing(saved, monkeypatch):
    def interrupted(tokens):
        raise KeyboardInterrupt

    monkeypatch.setattr("constructions.export.tool", lambda name: Stub(interrupted))
    assert main(["export", "model", "--to", "onnx", "out"]) == 130
    assert [path.name for path in Path().iterdir()] == ["model"]


@pytest.mark.parametrize("tool", list(TOOLS))
def test_a_missing_tool_is_told_before_the_work(tool, tmp_path, monkeypatch, capsys):
    absent = {PACKAGES[tool], "tokenizers", "onnx"}
    for name in [*absent, *(name for name in sys.modules if name.split(".")[0] in absent)]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, TOOLS[tool], raising=False)
    assert main(["export", "no such folder", "--to", tool, str(tmp_path / "out")]) == 2
    assert f"pip install '.[{tool}]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "--to", "jax", "out"], "invalid choice: 'jax'"),
        (["model", "out"], "the following arguments are required: --to"),
        (["model", "--to", "onnx", "no/such/out"], "no/such/out"),
        (["model", "--to", "onnx", "out", "--json", "no/such/file"], "no/such/file"),
    ],
)
def test_bad_arguments_are_told(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("constructions.export.tool", lambda name: Stub(None))
    try:
        status = main(["export", *arguments])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert message in capsys.readouterr().err


def test_help_names_the_tools_without_importing_torch():
    code = (
        "import sys; from verify.__main__ import main\n"
        "try: main(['export', '--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'onnx'} & set(sys.modules), 'slow import'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(tool in done.stdout for tool in TOOLS)


# ------------------------------------------------------------------ the page in docs/


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A folder in which the Python of docs/export.md has run."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S):
            exec(compile(code, "export.md", "exec"), {})
    return folder


@lens
@hugging_face
@onnx
def test_the_page_runs_and_prints_what_stands_there(page, monkeypatch, capsys):
    monkeypatch.chdir(page)
    (console,) = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)
    assert len(runs(console)) == 1 + len(TOOLS)
    for command, expected in runs(console):
        assert main(shlex.split(command.removeprefix("python -m verify "))) == 0
        assert matches(capsys.readouterr().out.splitlines(), expected, numbers_vary=False), command
