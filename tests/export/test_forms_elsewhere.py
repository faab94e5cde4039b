"""Forms in folders, exported from the command line: with their norms, or refused with the reason."""

import pytest
from export_tools import EVERY_TOOL, FAMILY, needs
from small_forms import rotation, wider

from constructions import (
    FactTable,
    add_noise,
    chain_of_thought,
    change_basis,
    normalize,
    save_form,
    selector,
    standard,
)
from verify.__main__ import main


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize("placement", ["pre", "post"])
@pytest.mark.parametrize(
    "tool", [pytest.param(t, marks=needs(t)) for t in ("huggingface", "onnx")]
)
def test_a_decoder_with_norms_is_exported_from_its_folder_with_its_proof(
    tool, norm, placement, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for build in (selector, lambda facts: chain_of_thought(facts, max_hops=2)):
        save_form(normalize(build(FactTable.from_triples(FAMILY)), norm, placement), "form")
        assert main(["export", "form", "--to", tool, f"out-{build.__name__}"]) == 0
        printed = capsys.readouterr().out
        assert "proof: PASS: all " in printed
        assert "by a proof of its construction" in printed
        card = (tmp_path / f"out-{build.__name__}" / "README.md").read_text()
        assert "python -m verify check form" in card
        assert "whose `form.safetensors` has the SHA-256" in card


@EVERY_TOOL
def test_a_decoder_without_norms_is_exported_from_its_folder_to_every_tool(
    tool, family, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    save_form(standard(family), "form")
    assert main(["export", "form", "--to", tool, "out"]) == 0
    assert "24 queries asked" in capsys.readouterr().out


@pytest.mark.parametrize("tool", [pytest.param("transformerlens", marks=needs("transformerlens"))])
def test_lens_refuses_norms_since_it_computes_them_in_float32(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_form(normalize(selector(FactTable.from_triples(FAMILY))), "form")
    assert main(["export", "form", "--to", tool, "out"]) == 2
    assert "computes norms in float32, whatever the dtype" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@EVERY_TOOL
def test_forms_in_a_transformer_of_ours_are_refused_by_name(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = selector(FactTable.from_triples(FAMILY))
    turned = change_basis(model, rotation(model.shape.d_model), by=None)
    for form in (turned, wider(model), add_noise(model, 1e-7)):
        save_form(form, "form")
        assert main(["check", "form"]) == 0
        assert main(["export", "form", "--to", tool, "out"]) == 2
        assert "a ModelForm cannot be exported" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
