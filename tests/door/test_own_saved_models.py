"""A model of a user's own construction is saved, proven without his file, and loaded with it."""

import json
import shutil

import own_files
import pytest
from command_line import run
from own_files import TERNARY, own_file

from constructions import Construction, FactTable, InputError, construction, load, save
from verify.__main__ import main
from verify.checking.check import check

FACTS = FactTable.random_functions(10, 3, 5, 0.3)


@pytest.fixture
def folder(tmp_path):
    """A saved model of the construction of the page."""
    save(construction(TERNARY).builder(FACTS), tmp_path / "model")
    return tmp_path / "model"


def test_check_proves_it_without_the_builder(folder, tmp_path):
    assert check(folder, by="kernel").verdict == "PASS"
    done = run("check", str(folder), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PASS: all 30 queries are answered right, by the kernel\n")
    wrong = construction(own_file(tmp_path, own_files.WRONG_ANSWERS)).builder(FACTS)
    save(wrong, tmp_path / "wrong")
    assert check(tmp_path / "wrong").verdict == "FAIL", "the control"


def test_save_of_the_command_line_is_loaded_from_python(tmp_path, capsys):
    words = [TERNARY, "-N", "10", "-R", "3", "--save", str(tmp_path / "model")]
    assert main(words) == 0
    mine = construction(TERNARY)
    facts = mine.random_facts(10, 3, 0)
    model = load(tmp_path / "model", builder=mine)
    assert model.answer(4, [2]) == facts.answer(4, [2])
    assert model.margin == mine.builder(facts).margin


def test_load_takes_the_construction_or_its_builder(folder):
    mine = construction(TERNARY)
    for given in (mine, mine.builder):
        model = load(folder, builder=given)
        assert model.facts == FACTS
        assert all(model.answer(s, [r]) == FACTS.answer(s, [r]) for s in (0, 9) for r in range(3))


def test_commands_that_load_it_are_told_whose_it_is(folder, tmp_path, capsys):
    made_by = ["--with", TERNARY]
    commands = {
        "show": ["show", str(folder)],
        "attack": ["attack", str(folder), "-n", "5", "--kind", "weights"],
    }
    for name, words in commands.items():
        assert main(words) == 2
        assert "--with path/file.py:mine" in capsys.readouterr().err
        assert main([*words, *made_by]) == 0, name
        assert ("ternary_selector, d_model" if name == "show" else "PASS") in (
            capsys.readouterr().out
        )
        assert main([*words, *made_by, *made_by]) == 2
        assert "a saved model was made by one construction; got" in capsys.readouterr().err
    assert main(["show", "selector", *made_by]) == 2
    assert "--with is for the folder of a saved model" in capsys.readouterr().err
    assert main(["show", TERNARY]) == 0
    assert "ternary_selector, d_model" in capsys.readouterr().out


def test_it_is_exported_like_any_other(folder, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    words = ["export", str(folder), "--to", "onnx", str(tmp_path / "out"), "--with", TERNARY]
    assert main(words) == 0
    assert "0 wrong; largest logit difference 0 in float32" in capsys.readouterr().out


def test_load_without_the_builder_says_what_to_do(folder):
    with pytest.raises(InputError, match=r"no builder is named 'ternary_selector'.*if it is your"):
        load(folder)
    with pytest.raises(InputError, match=r"hand it over: load\(folder, builder=mine\)"):
        load(folder)


def test_no_file_is_run_for_a_name_that_a_folder_holds(folder, tmp_path):
    """A manifest may say anything: that names are of files of the user's is no reason to run
    them.
    """
    trap = tmp_path / "trap.py"
    trap.write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'run')!r}).touch()\nmine = 5\n"
    )
    (tmp_path / "other").mkdir()
    for path in folder.iterdir():
        shutil.copyfile(path, tmp_path / "other" / path.name)
    from constructions.saved.manifest import canonical

    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["builder"] = manifest["construction"] = f"{trap}:mine"
    (tmp_path / "other" / "manifest.json").write_bytes(canonical(manifest))
    with pytest.raises(InputError, match="no builder is named"):
        load(tmp_path / "other")
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="a int, 5; a Construction is needed"):
        construction(f"{trap}:mine")
    assert (tmp_path / "run").exists(), "the control: it is run where a person names it"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "builder must be a Construction, or a function that is decorated with @recorded"),
        (len, "or a function that is decorated with @recorded; got the function len"),
        ("selector", "the model was made by the builder 'ternary_selector'; 'selector' was"),
    ],
)
def test_another_builder_is_refused(given, message, folder):
    given = construction(given) if isinstance(given, str) else given
    with pytest.raises(InputError, match=message):
        load(folder, builder=given)


def test_a_builder_that_has_changed_since_is_refused(folder, tmp_path):
    whole = construction(TERNARY)
    text = """
@recorded
def ternary_selector(facts, *, codebook: Codebook | None = None, dtype=torch.float32):
    return {}

mine = Construction(ternary_selector)
"""
    other = construction(
        own_file(tmp_path, text.format("construction('selector').constructor().plan(facts)"))
    )
    with pytest.raises(InputError, match="has other sizes here"):
        load(folder, builder=other)
    broken = construction(own_file(tmp_path, text.format("{}[facts.n_relations]"), "broken.py"))
    with pytest.raises(InputError, match=r"KeyError: 3"):
        load(folder, builder=broken)
    assert isinstance(whole, Construction)
