"""`verify show` of what nobody has said where anything stands in: trained models, forms, packs."""

from pathlib import Path

import pytest
import torch
from command_line import runs
from larger_decoders import larger
from matplotlib.backends.backend_agg import FigureCanvasAgg
from meeting_texts import meeting
from tiers import LONG, few

from constructions import (
    CATALOGUE,
    FactTable,
    OneLayerShape,
    chain_of_thought,
    change_basis,
    construction,
    fit,
    load_form,
    needed_shape,
    round_weights,
    save_form,
    save_rounded,
    seed_into,
    selector,
)
from verify.cli.reports import mechanism_picture
from verify.learned import known_answers
from verify.learned.adapters import of
from verify.learned.claimed import answers_of
from verify.learned.fitted_names import Names
from verify.learned.fitted_showing import fitted_chain, fitted_shown
from verify.queries.showing import shown

WORLDS = FactTable.random_worlds(8, 12, 3, seed=3)


@pytest.fixture(scope="module")
def trained():
    """A trained model on a grid."""
    shape = OneLayerShape.of(WORLDS, d_model=24, d_mlp=48)
    found = fit(shape, WORLDS, steps=200, seeds=0, weight_decay=1.0, until=None)
    return round_weights(found.models[0], bits=10)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, trained):
    """A folder with a rounded trained model, a form, a larger decoder, a form that writes, a
    larger decoder that does, and a pack.
    """
    place = tmp_path_factory.mktemp("shown")
    save_rounded(trained, WORLDS, place / "rounded")
    source = selector(FactTable.random_bijections(64, 2, seed=1))
    q = torch.linalg.qr(torch.randn(source.shape.d_model, source.shape.d_model)).Q
    save_form(change_basis(source, q), place / "form")
    save_form(seed_into(larger(needed_shape(source)), source), place / "decoder")
    writer = chain_of_thought(FactTable.random_bijections(48, 2, seed=0), 2)
    q = torch.linalg.qr(torch.randn(writer.shape.d_model, writer.shape.d_model)).Q
    save_form(change_basis(writer, q), place / "writer")
    save_form(seed_into(larger(needed_shape(writer)), writer), place / "writing-decoder")
    known_answers.write(place / "pack")
    return place


@pytest.fixture
def show(workshop, monkeypatch, capsys):
    """Runs the command in the workshop: its status, and what it prints."""
    return runs("show", workshop, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["rounded", "e4 r1"], ["one-layer model, d_model = 24, 1 layer: e4 r1 -> ", "R^2 0."]),
        (["form", "3 1"], ["form of selector, d_model = ", "R^2 1.00 (-"]),
        (["decoder", "3 1"], ["form of selector, d_model = ", "4 layers: e3 r1 -> "]),
        (["writer", "e3 r1 r0"], ["form of chain_of_thought, d_model", "step 3: writes END"]),
        (["writer"], ["step 1: writes e", "R^2 1.00 (-"]),
        (["writing-decoder", "e3 r1"], ["4 layers: e3 r1 -> ", "step 2: writes END"]),
        (["chain_of_thought", "--fitted"], ["step 3: writes END", "no fit"]),
        (["pack/trained.safetensors"], ["trained, a standard decoder", "head 1: from "]),
        (["pack/memory.safetensors", "3 1"], ["NO SUPERPOSITION OF ATTRIBUTES is found"]),
        (["selector", "-N", "64", "--fitted"], ["e0 r1 -> ", "R^2 1.00 (-"]),
        (["precomputed", "-N", "64", "--fitted"], ["R^2 1.00 (-", "r1 r0"]),
    ],
)
def test_a_basis_is_fitted_to_what_has_none_or_is_asked_for(words, lines, show):
    status, printed = show(*words)
    assert status == 0, printed.err
    for line in lines:
        assert line in printed.out
    assert max(map(len, printed.out.splitlines())) <= 99
    assert show(*words)[1].out == printed.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rounded", "e4 r1 r0"], "paths of 1 relation; got 2"),
        (["rounded", "e400 r1"], "no entity is named 'e400'"),
        (["rounded", "-N", "5"], "is a saved model, which has its sizes"),
        (["form", "-R", "5"], "is a saved model, which has its sizes"),
        (["rounded", "-k", "2"], "-k is for a construction that is built"),
        (["form", "--looked-up", "1"], "--looked-up is for a construction that is built"),
        (["rounded", "--with", "x.py:mine"], "--with is for a model that a builder has made"),
        (["pack"], "holds several models: give one of its files, axis-aligned.safetensors"),
        (
            ["pack/none.safetensors"],
            "no such folder; give the folder of a saved model, or a construction: ",
        ),
        (["writer", "e3 r1 r0 r1"], "paths of 1 to 2 relations; got 3"),
        (["writer", "-k", "2"], "-k is for a construction that is built"),
        (["rounded", "--facts", "x.tsv"], "--facts is for the folder of a language model"),
        (["selector", "--templates", "x.json"], "--templates is for the folder of a language"),
        (["rounded\0"], "no such folder; give the folder of a saved model, or a construction: "),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_a_line(words, message, show):
    status, printed = show(*words)
    assert status == 2
    assert message in printed.err
    assert "Traceback" not in printed.err


def test_a_model_of_a_pack_that_its_index_does_not_know_is_refused(show, workshop):
    other = workshop / "pack" / "other.safetensors"
    other.write_bytes(b"")
    status, printed = show("pack/other.safetensors")
    other.unlink()
    assert (status, "says nothing of other.safetensors" in printed.err) == (2, True)


def test_a_fitted_picture_is_the_same_each_time_and_shows_the_evidence(show):
    for name in ("one.svg", "other.svg"):
        assert show("rounded", "e4 r1", "--plot", name)[0] == 0
    one = Path("one.svg").read_text()
    assert one == Path("other.svg").read_text()
    assert "R\N{SUPERSCRIPT TWO} 0." in one
    assert show("pack/memory.safetensors", "--plot", "other.svg")[0] == 0
    assert "NO SUPERPOSITION" in Path("other.svg").read_text()


def texts_that_meet(found):
    """In the picture of a query."""
    figure = mechanism_picture.figure(found)
    FigureCanvasAgg(figure)
    return meeting(figure)


@pytest.mark.parametrize("name", few(CATALOGUE, "selector", "hybrid"))
@pytest.mark.parametrize(
    "sizes", [(6, 2), pytest.param((300, 2), marks=LONG), pytest.param((20, 24), marks=LONG)]
)
def test_no_two_texts_of_a_picture_meet_at_any_size(name, sizes):
    entry = construction(name)
    facts = entry.random_facts(*sizes, 1)
    model = entry.build(facts, 2 if entry.multi_hop and sizes[1] < 9 else 1)
    path = [1, 0][: model.hops]
    assert texts_that_meet(shown(model, 3, path)) == []


def test_no_two_texts_of_a_fitted_picture_meet(trained, monkeypatch):
    """With names that are longer than there is room; the control is a picture without room."""
    answers = answers_of(WORLDS)
    long = [f"the {i}-th of all the entities of this table" for i in range(96)]
    relations = ["the capital city of the country", "a", "currency"]
    for names in (Names.of(WORLDS), Names("a model", long, relations, long)):
        for relation in (0, 1):
            found = fitted_shown(of(trained), answers, 4, relation, names)
            assert texts_that_meet(found) == []
    monkeypatch.setattr(mechanism_picture, "_HEIGHT", 0.1)
    assert texts_that_meet(found) != []


def test_no_two_texts_of_the_picture_of_a_fitted_chain_meet(workshop, monkeypatch):
    """The control is a picture without room."""
    found = fitted_chain(load_form(workshop / "writer"), 3, [1, 0], "form of chain_of_thought")
    assert texts_that_meet(found) == []
    monkeypatch.setattr(mechanism_picture, "_HEIGHT", 0.1)
    assert texts_that_meet(found) != []


def test_the_block_of_each_written_entity_has_a_bold_frame_and_none_where_end_is_said(workshop):
    """Where END is said, blocks of attributes add what rounding leaves."""
    found = fitted_chain(load_form(workshop / "writer"), 3, [1, 0], "form of chain_of_thought")
    (axes,) = mechanism_picture.figure(found).axes
    assert sum(patch.get_linewidth() == 1.8 for patch in axes.patches) == 2
    assert 0 < max(abs(added) for added, _ in found.steps[-1].read[:2]) < 1e-4
