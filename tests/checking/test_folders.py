"""What is said of folders that are no model folders, and of files of another size than listed."""

import os
import sys

import pytest
from hand_made import built, files_of, resealed, with_manifest

from constructions import save
from verify.__main__ import main
from verify.checking import described
from verify.checking.check import check, check_files

HUGE = 2**32


def said(folder, capsys):
    """The exit status of `check`, and its one line."""
    status, printed = main(["check", str(folder)]), capsys.readouterr()
    assert printed.err == ""
    return status, printed.out


def test_a_folder_without_a_manifest_is_no_model(tmp_path, capsys):
    (tmp_path / "inner").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    no_model = "FAIL: manifest.json is missing: this is no model folder\n"
    assert said(tmp_path, capsys) == (1, no_model)
    assert check(tmp_path).reason == check_files({}).reason


@pytest.mark.parametrize("name", ["inner", "weights.safetensors", "manifest.json"])
def test_a_folder_in_a_model_is_named(name, tmp_path, capsys):
    save(built("selector", 3), tmp_path / "model")
    path = tmp_path / "model" / name
    path.unlink(missing_ok=True)
    path.mkdir()
    status, line = said(tmp_path / "model", capsys)
    assert (status, line) == (
        1,
        f"FAIL: {name} is no file, and a model folder holds files alone\n",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_a_pipe_and_a_broken_link_are_not_opened(tmp_path, capsys):
    save(built("selector", 3), tmp_path / "model")
    for name, make in (("pipe", os.mkfifo), ("link", lambda path: path.symlink_to("nowhere"))):
        make(tmp_path / "model" / name)
        assert said(tmp_path / "model", capsys)[1].startswith(f"FAIL: {name} is no file")
        (tmp_path / "model" / name).unlink()


@pytest.mark.parametrize(
    "name", ["vocabulary.txt", "facts.tsv", "certificate.json", "weights.safetensors"]
)
def test_a_file_of_another_size_is_refused_before_it_is_read(name, tmp_path, monkeypatch, capsys):
    """A sparse file of 4 GiB: nothing of it is decoded or hashed."""
    save(built("selector", 3), tmp_path / "model")
    listed = (tmp_path / "model" / name).stat().st_size
    os.truncate(tmp_path / "model" / name, HUGE)
    monkeypatch.setattr(described, "require_agreement", None)
    status, line = said(tmp_path / "model", capsys)
    assert status == 1
    if name != "weights.safetensors":  # whose header says first that its tensors end elsewhere
        assert line == f"FAIL: {name}: has {HUGE} bytes, manifest.json has {listed}\n"
    assert line.startswith(f"FAIL: {name}: ")


def test_sizes_are_compared_whoever_checks():
    files = files_of(built("selector", 3))
    for by in ("kernel", "symbolic", "both"):
        found = check_files(files | {"facts.tsv": b""}, by)
        assert found.reason.startswith("facts.tsv: has 0 bytes"), by
        assert (found.verdict, found.by) == ("FAIL", "")


def test_the_form_of_a_folder_is_held_against_the_manifest_whoever_checks():
    """What the kernel does not read is refused where it alone is asked."""
    files = files_of(built("selector", 3))
    wrong = {
        "names": resealed(files, vocabulary_txt=b" " + files["vocabulary.txt"]),
        "facts": resealed(files, facts_tsv=files["facts.tsv"] + b"e0\tr0\te1\n"),
        "certificate": resealed(files, certificate_json=files["certificate.json"] + b"\n"),
        "positions": with_manifest(files, lambda manifest: manifest["sizes"].update(positions=9)),
    }
    for what, changed in wrong.items():
        for by in ("kernel", "symbolic", "both"):
            assert check_files(changed, by).verdict == "FAIL", (what, by)


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["ask"],
        ["show"],
        ["attack"],
        ["update", "facts.tsv"],
        ["diff", "none"],
        ["export", "--to", "onnx", "out"],  # said even where the tool is not installed
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("name", "what"), [("nothing", "no such folder"), ("facts.tsv", "is no folder")]
)
def test_every_command_says_the_same_of_what_is_no_folder(
    words, name, what, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "facts.tsv").write_text("Ann\tmother\tBeth\n")
    command, *others = words
    assert main([command, name, *others]) == 2
    said = f"error: {name}: {what}; give the folder of a saved model"
    assert capsys.readouterr().err.startswith(said)


def test_ask_and_show_say_the_same_of_a_folder_that_is_no_model(tmp_path, capsys):
    said = []
    for command in ("ask", "show"):
        assert main([command, str(tmp_path)]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert f"{tmp_path} is not the folder of a saved model" in said[0]
