"""The `README.md` of an exported folder: its lines ask by name in the other tool and print what
stands there; what it says of facts and proof is so.
"""

import contextlib
import io
import json
import re
from pathlib import Path

import torch
from export_tools import EVERY_TOOL, FAMILY, hugging_face
from hand_made import built

from constructions import (
    FactTable,
    chain_of_thought,
    key_value,
    normalize,
    precomputed,
    save,
    selector,
    standard,
)
from constructions.export import TOOLS, export
from constructions.export.card import NOT_CHECKED, card, example
from verify.__main__ import main

ODD = [
    ("São Tomé", "{capital}", "```"),
    ("```", "{capital}", 'it\'s "so"'),
    ('it\'s "so"', "{capital}", "🇸🇹\u202e\\n"),
    ("🇸🇹\u202e\\n", "same", "same"),
    ("same", "same", "{0}"),
    ("{0}", "{capital}", "São Tomé"),
]


def models():
    yield selector(FactTable.from_triples(FAMILY))
    yield selector(FactTable.from_triples(ODD))
    yield key_value(FactTable.random_bijections(5, 2, 0), 2, dtype=torch.float64)
    yield precomputed(FactTable.from_triples(ODD), 2)
    yield chain_of_thought(FactTable.from_triples(FAMILY), max_hops=2)
    yield built("chain_of_thought", 4, 2, hops=3, partial=True, given={"hops_per_token": 2})


def asking(text):
    """What loads the folder, the lines that ask, and what they are said to print."""
    load, ask = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    (printed,) = re.findall(r"This prints, .*:\n\n    (.*)\n", text)
    return load, ask, printed


def run_in(folder, monkeypatch, *codes):
    """What Python prints that runs these texts one after the other."""
    monkeypatch.chdir(folder)
    names, printed = {}, io.StringIO()
    for code in codes:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), names)
    return printed.getvalue()


@EVERY_TOOL
def test_three_lines_of_the_card_ask_by_name_and_print_what_the_card_says(
    tool, tmp_path, monkeypatch
):
    for number, model in enumerate(models()):
        folder = tmp_path / f"{number}"
        export(model, tool, folder)
        load, ask, said = asking((folder / "README.md").read_text(encoding="utf-8"))
        assert len(ask.splitlines()) == 3
        printed = run_in(folder, monkeypatch, load, ask)
        assert printed.replace("\u202e", "\\u202e") == said + "\n"
        names = printed.removesuffix("\n").split("\t")
        subject, *path = names[: model.hops + 1]
        facts, relations = model.facts, [r.removesuffix(":") for r in path]
        answer = facts.answer(
            facts.entity_id(subject), [facts.relation_names.index(name) for name in relations]
        )
        assert names[-1] == facts.entity_name(int(answer))


@EVERY_TOOL
def test_the_lines_of_a_card_print_something_else_where_the_facts_are_others(
    tool, tmp_path, monkeypatch
):
    first = FactTable.from_triples(FAMILY)
    second = FactTable(first.answers[:, ::-1].copy(), first.entity_names, first.relation_names)
    for name, facts in (("one", first), ("two", second)):
        export(selector(facts), tool, tmp_path / name)
    _, ask, said = asking((tmp_path / "one" / "README.md").read_text())
    load, _, _ = asking((tmp_path / "two" / "README.md").read_text())
    assert run_in(tmp_path / "two", monkeypatch, load, ask) != said + "\n"


@EVERY_TOOL
def test_the_card_says_what_check_says_of_the_saved_model_and_which_facts_it_has(
    tool, family, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    save(family, "model")
    assert main(["check", "model"]) == 0
    checked = capsys.readouterr().out
    assert main(["export", "model", "--to", tool, "out"]) == 0
    printed = capsys.readouterr().out
    text = Path("out/README.md").read_text()
    shown = "".join(f"    {line}\n" for line in checked.splitlines())
    assert f"    $ python -m verify check model\n{shown}" in text
    assert f"proof: {checked.splitlines()[0]}\n" in printed
    assert "".join(f"    {line}\n" for line in printed.splitlines()[:2]) in text
    files = json.loads(Path("model/manifest.json").read_text())["files"]
    assert files["facts.tsv"]["sha256"] in text
    assert files["weights.safetensors"]["sha256"] in text
    for row in ("| facts | 3 |", "| entities | 4 |", "| relations | 2 |"):
        assert row in text
    assert "arXiv:2605.12426" in text
    assert f"{tmp_path}" not in text


@hugging_face
def test_the_hub_reads_the_card_and_finds_no_license_in_it(family, tmp_path):
    from huggingface_hub import ModelCard

    export(family, "huggingface", tmp_path / "out")
    found = ModelCard.load(tmp_path / "out" / "README.md").data.to_dict()
    assert found == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["factual-recall"],
    }
    assert "# license: yours to state" in (tmp_path / "out" / "README.md").read_text()


def about(model):
    return card(model, "# Title\n", "{question!r}\n", "More.\n", 1.0, NOT_CHECKED)


def test_a_card_guarantees_answers_just_where_they_are_proven():
    model = selector(FactTable.from_triples(FAMILY))
    assert "those of the table in float32, and in a wider one." in about(standard(model))
    # whose norms are the identity in this dtype alone
    assert "those of the table in float32.\n" in about(normalize(model, "rmsnorm"))
    edited = standard(model)
    edited.embedding.weight.data[0, 0] += 1
    assert "nothing guarantees" in about(edited)
    assert "(They have changed since, or nothing is proven.)" in about(edited)
    assert "Nothing was proven while" in about(edited)


def test_the_question_of_a_card_has_a_stored_answer_where_there_is_one():
    facts = FactTable([[-1, -1, 0]], ["a", "b", "c"], ["r"])
    assert example(standard(selector(facts))) == (["c", "r"], ["a"])
    far = standard(precomputed(FactTable([[-1, -1, 0]], ["a", "b", "c"], ["r"]), 2))
    assert example(far) == (["a", "r", "r"], ["<unknown>"])


def test_every_tool_has_the_parts_of_a_card():
    from importlib import import_module
    from importlib.util import find_spec

    from export_tools import PACKAGES

    for tool, module in TOOLS.items():
        if find_spec(PACKAGES[tool]) is not None:
            found = import_module(module)
            assert all(hasattr(found, part) for part in ("README", "ASK", "DTYPES", "COMPONENTS"))
