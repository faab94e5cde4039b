"""Language models of Hugging Face, layer by layer: what a trained one shows, an untrained one does
not, and what stands in the way is said.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from console_blocks import matches
from export_tools import hugging_face

from constructions import FactTable
from verify.__main__ import main

pytestmark = hugging_face
PAGE = (Path(__file__).parents[2] / "docs" / "pretrained.md").read_text()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with a fact table, its templates, and models of it: trained, and not."""
    from small_language_models import TEMPLATES, people, saved

    folder = tmp_path_factory.mktemp("models")
    facts = people()
    facts.to_tsv(folder / "facts.tsv")
    (folder / "templates.json").write_text(json.dumps(TEMPLATES))
    for kind in ("gpt2", "llama"):
        saved(folder / kind, kind, facts)
        saved(folder / f"{kind}-untrained", kind, facts, steps=0)
    return folder


@pytest.fixture
def measure(workshop, tmp_path, monkeypatch, capsys):
    """Runs the command in the workshop: its status, what it prints, and its JSON."""
    monkeypatch.chdir(workshop)

    def run(model, *words, facts="facts.tsv", templates="templates.json"):
        out = tmp_path / "out.json"
        words = (model, facts, "--templates", templates, "--json", out, *words)
        status = main(["learned", "pretrained", *map(str, words)])
        printed = capsys.readouterr()
        found = json.loads(out.read_text()) if status == 0 else None
        return status, printed, found

    return run


def beyond(found, layer, name):
    """A measure less its null."""
    measure = found["at"][layer][name]
    return measure["value"] - measure["null"]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_trained_model_answers_all_and_its_subjects_hold_the_facts(kind, measure):
    status, printed, found = measure(kind)
    assert (status, found["accuracy"]["value"]) == (0, 1), printed.err
    assert found["accuracy"]["null"] < 0.3 > found["accuracy"]["control"]
    assert found["scored_by"] == "first"
    assert beyond(found, 0, "R^2") > 0.15
    assert beyond(found, 0, "move") > 0.5
    assert beyond(found, 0, "both") > 0.4
    assert found["at"][0]["keep"]["value"] > 0.8
    assert beyond(found, 0, "right") > 0.3
    assert beyond(found, 0, "selection") > 0.2
    last = found["at"][-1]
    assert (last["move"]["value"], last["keep"]["value"]) == (0, 1), "nothing reads it any more"
    assert "no decoder layer" in last["selection"]["refused"]
    lines = printed.out.splitlines()
    assert max(map(len, lines)) < 100
    assert "180 facts, 60 subjects, 3 relations, 15 answers" in lines


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_an_untrained_model_shows_nothing_beyond_its_nulls(kind, measure):
    status, printed, found = measure(f"{kind}-untrained", "--no-control")
    assert status == 0
    assert "no better than the most frequent answers" in printed.out
    for layer in range(3):
        assert beyond(found, layer, "R^2") < 0.15
        assert found["at"][layer]["R^2"]["value"] < 0
        for name in ("move", "keep", "both", "right"):
            assert abs(beyond(found, layer, name)) < 0.06, (layer, name)


def test_templates_of_other_relations_are_noticed(measure, workshop):
    templates = json.loads((workshop / "templates.json").read_text())
    swapped = dict(zip(templates, [*list(templates.values())[1:], templates["home"]], strict=True))
    (workshop / "swapped.json").write_text(json.dumps(swapped))
    status, printed, found = measure("llama", templates="swapped.json")
    assert (status, found["accuracy"]["value"]) == (0, 0)
    assert "no better than the most frequent answers" in printed.out
    for layer in range(3):
        assert beyond(found, layer, "both") <= 0
        assert beyond(found, layer, "right") <= 0.01


def test_the_page_shows_what_is_printed_and_its_python_runs(measure, workshop, capsys):
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S)
    _, printed, _ = measure("gpt2")
    signs = str.maketrans({"-": " "})  # of R^2, which may be of either sign
    lines = [text.translate(signs).splitlines() for text in (printed.out, shown)]
    assert matches(*lines, numbers_vary=True)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    facts = FactTable.from_tsv(workshop / "facts.tsv")
    homes = FactTable.from_triples(row for row in facts.rows() if row[1] == "home")
    exec(compile(code, "pretrained.md", "exec"), {"folder": workshop / "gpt2", "facts": homes})
    assert capsys.readouterr().out.startswith("accuracy: 1 (")


def test_some_layers_of_a_rank_and_the_same_numbers_again(measure):
    status, printed, _ = measure("gpt2", "--layers", "2", "--examples", "0")
    assert (status, "no right: no examples were asked for" in printed.out) == (0, True)
    words = ("--layers", "1,0", "--rank", "1", "--beta", "2", "--subjects", "5", "--seed", "3")
    _, first, found = measure("gpt2", *words)
    assert [at["layer"] for at in found["at"]] == [1, 0]
    assert {one["beta"] for at in found["at"] for one in at["encodings"]} == {2}
    _, second, again = measure("gpt2", *words, "--batch", "7")
    assert first.out == second.out
    assert found["at"][0]["move"] == again["at"][0]["move"]
    _, _, whole = measure("gpt2", *words[:2], "--beta", "2", "--subjects", "5", "--seed", "3")
    assert whole["at"][1]["right"]["value"] > found["at"][1]["right"]["value"], "by all ranks"


def test_a_table_whose_fit_says_nothing_is_measured_otherwise(measure, workshop):
    rows = [f"Name{i}\thome\tName{i + 1}\n" for i in range(0, 40, 2)]
    (workshop / "one-to-one.tsv").write_text("".join(rows))
    (workshop / "home.json").write_text('{"home": "{subject} lives in"}')
    (workshop / "odd").mkdir(exist_ok=True)
    from small_language_models import saved

    facts = FactTable.from_tsv(workshop / "one-to-one.tsv")
    saved(workshop / "odd", "gpt2", facts, {"home": "{subject} lives in"}, steps=0)
    status, printed, found = measure("odd", facts="one-to-one.tsv", templates="home.json")
    assert status == 0
    assert "no R^2: by attribute 20 numbers" in printed.out
    assert {"refused"} == set(found["at"][0]["move"])
    assert "value" in found["at"][0]["right"]


def test_help_imports_neither_torch_nor_transformers():
    code = (
        "import sys; from verify.__main__ import main\n"
        "try: main(['learned', 'pretrained', '--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'transformers'} & set(sys.modules), 'slow import'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--templates FILE" in done.stdout


def test_without_transformers_the_extra_is_named(measure, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "transformers"]:
        monkeypatch.setitem(sys.modules, name, None)
    status, printed, _ = measure("gpt2")
    assert status == 2
    assert "pip install -c constraints.txt '.[huggingface]'" in printed.err


def asked(home):
    """A file of templates, of which one is this."""
    return json.dumps(
        {"home": home, "work": "{subject} works as", "friend": "the friend of {subject} is"}
    )


@pytest.mark.parametrize(
    ("templates", "reported"),
    [
        ('{"home": "{subject} lives in"}', "no template for 'work', 'friend'"),
        (asked("lives in"), "must hold {subject} once; it does 0 times"),
        (asked("{subject} {subject}"), "it does 2 times"),
        (asked(3), "must be a text with {subject}"),
        (asked("{subject} lives in "), "ends in white space"),
        (asked("{subject} in {answer}."), "elsewhere than at its end"),
        (asked("{answer} of {subject}"), "elsewhere than at its end"),
        ('{"hom": "{subject} lives in"}', "did you mean 'home'?"),
        ('{"home": "{subject}", "home": "{subject}"}', "two templates are given for 'home'"),
        ('["home"]', "must be a JSON object"),
        ("home", "is no JSON text"),
    ],
)
def test_templates_that_cannot_be_used_are_refused(templates, reported, measure, workshop):
    (workshop / "bad.json").write_text(templates)
    status, printed, _ = measure("gpt2", templates="bad.json")
    assert (status, reported in printed.err) == (2, True), printed.err


def test_words_of_a_template_need_not_be_known(measure, workshop):
    (workshop / "other.json").write_text(asked("{subject} dwells in {answer}"))
    status, printed, _ = measure("gpt2", "--layers", "0", templates="other.json")
    assert status == 0, printed.err


@pytest.mark.parametrize(
    ("rows", "template", "words", "reported"),
    [
        ("Name0 home home0", "{subject} lives in", ["--score", "first"], None),
        ("Zoe home home0", "{subject} lives in", [], "the subject 'Zoe' holds words"),
        ("Name0 home Rome", "{subject} lives in", [], "the answer 'Rome' holds words"),
        ("Name0 home home0", "{subject} lives in{answer}", [], "joins the end of the template"),
        (
            "Name0 home home0",
            "the " * 20 + "{subject} lives in",
            [],
            "has 23 tokens, and the model",
        ),
        ("Name0 home home0", "{subject} lives in", ["--layers", "0,9"], "there is no layer 9"),
        ("Name0 home home0", "{subject} lives in", ["--examples", "1"], "2 examples; got 1"),
        ("Name0 home home0", "{subject} lives in", ["--device", "nowhere"], "--device nowhere"),
    ],
)
def test_names_and_choices_that_cannot_be_asked_are_refused(
    rows, template, words, reported, measure, workshop
):
    (workshop / "few.tsv").write_text(rows.replace(" ", "\t") + "\n")
    (workshop / "few.json").write_text(json.dumps({"home": template}))
    status, printed, _ = measure("gpt2", *words, facts="few.tsv", templates="few.json")
    if reported is None:
        assert status == 0, printed.err
    else:
        assert (status, reported in printed.err) == (2, True), printed.err


@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], "holds no config.json"),
        (lambda folder: (folder / "config.json").write_text("{}"), "no causal language model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "no causal language"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no causal language model"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "holds no tokenizer"),
        (lambda folder: without_a_tensor(folder), "1 weights are missing, such as"),
    ],
)
def test_folders_that_hold_no_whole_model_are_refused(
    damage, reported, measure, workshop, tmp_path
):
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in (workshop / "gpt2").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    damage(folder)
    status, printed, _ = measure(folder)
    assert (status, reported in printed.err) == (2, True), printed.err


def without_a_tensor(folder):
    """Take one tensor out of the weights."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["transformer.h.1.mlp.c_fc.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_what_is_not_there_is_said(measure, capsys):
    for words, templates, reported in (
        ("no-such-model", "templates.json", "no such folder"),
        ("gpt2", "nowhere.json", "nowhere.json: No such file"),
    ):
        status, printed, _ = measure(words, templates=templates)
        assert (status, reported in printed.err) == (2, True), printed.err
    with pytest.raises(SystemExit, match="2"):
        measure("gpt2", "--layers", "a")
    assert "'a' is not an integer" in capsys.readouterr().err
    (status, printed, _) = measure("gpt2", "--json", "templates.json")
    assert (status, "templates.json" in printed.err) == (2, True), "an input is not written over"
