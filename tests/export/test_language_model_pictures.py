"""`verify show` of a language model of Hugging Face: every layer, in a fitted basis."""

import json

import pytest
from command_line import runs
from export_tools import hugging_face

pytestmark = hugging_face


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with a fact table, its templates, and models of it: trained, and not."""
    from small_language_models import TEMPLATES, people, saved

    folder = tmp_path_factory.mktemp("models")
    facts = people()
    facts.to_tsv(folder / "facts.tsv")
    (folder / "templates.json").write_text(json.dumps(TEMPLATES))
    saved(folder / "gpt2", "gpt2", facts)
    saved(folder / "llama", "llama", facts)
    saved(folder / "gpt2-untrained", "gpt2", facts, steps=0)
    return folder


@pytest.fixture
def show(workshop, monkeypatch, capsys):
    """Runs the command in the workshop: its status, and what it prints."""
    return runs("show", workshop, monkeypatch, capsys)


ASKED = ["--facts", "facts.tsv", "--templates", "templates.json"]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_trained_language_model_is_drawn_layer_by_layer(kind, show, workshop):
    status, printed = show(kind, "Dr Name1\thome", *ASKED, "--plot", f"{kind}.svg")
    assert status == 0, printed.err
    lines = printed.out.splitlines()
    assert max(map(len, lines)) <= 99
    assert "Dr Name1 home -> home1" in printed.out
    for point in ("after the MLP 1", "after the MLP 2", "after the last norm"):
        assert any(point in line for line in lines)
    assert sum(line.startswith("  head ") for line in lines) == 8, "four heads of two layers"
    assert sum("units that fire" in line for line in lines) == 2
    last = next(line for line in lines if line.startswith("3 after the last norm"))
    assert "home1" in last
    assert "<svg" in (workshop / f"{kind}.svg").read_text()


def test_of_an_untrained_language_model_no_block_is_drawn(show):
    status, printed = show("gpt2-untrained", "Dr Name1\thome", *ASKED)
    assert status == 0
    assert "NO SUPERPOSITION OF ATTRIBUTES" in printed.out
    rows = [line for line in printed.out.splitlines() if line[:2] in ("1 ", "3 ")]
    assert len(rows) == 6
    blocks = [line.split()[-6:-3] for line in rows]  # before relation, always and rest
    assert blocks == [[".", ".", "."]] * 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gpt2"], "give --facts TABLE and --templates FILE"),
        (["gpt2", *ASKED[:2]], "give --facts TABLE and --templates FILE"),
        (["gpt2", "home4 home", *ASKED], "has no fact, and the model is not asked for it"),
        (["gpt2", "nobody home", *ASKED], "no entity is named 'nobody'"),
        (["gpt2", "--facts", "no.tsv", *ASKED[2:]], "no.tsv"),
        (["gpt2", "-N", "4", *ASKED], "is a saved model, which has its sizes"),
    ],
)
def test_what_a_language_model_cannot_be_asked_is_refused_in_a_line(words, message, show):
    status, printed = show(*words)
    assert status == 2
    assert message in printed.err
    assert "Traceback" not in printed.err
