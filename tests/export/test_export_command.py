"""Exports as folders, on the command line, and on the page in docs/."""

import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from console_blocks import matches, runs
from export_tools import EVERY_TOOL, PACKAGES, hugging_face, lens, onnx, readme_code

from constructions import (
    save,
)
from constructions.export import TOOLS, export
from constructions.export.names import ComponentNames
from verify.__main__ import main

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()


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
    save(family, "model")
    command = ["export", "model", "--to", tool, "out", "--json", "result.json"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert (
        printed
        == f"PASS: 24 queries asked in {tool}, 0 wrong; largest logit difference 0 in float32"
        " (allowed: 0)\nlogits times 8: smallest margin 16; sampled at temperature 1, a wrong"
        " token has a probability of at most 2.3e-07\nproof: PASS: all 24 queries are answered right,"
        " by both checkers\nwritten: out\n"
    )
    reported = json.loads(Path("result.json").read_text())
    assert (
        reported["verdict"],
        reported["queries"],
        reported["all_queries"],
        reported["difference"],
    ) == (
        "PASS",
        24,
        24,
        0.0,
    )
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    assert main(command) == 2
    assert "stays as it is" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in Path("out").iterdir()}


class Stub:
    """A tool that needs nothing, and answers what it is reported to."""

    README = "# Stub\n"
    COMPONENTS = ComponentNames("", "", "", "")

    def __init__(self, run):
        self.run = run

    def save(self, model, folder, margin):
        (folder / "weights").write_bytes(b"1")
        return 1.0

    def runner(self, folder):
        assert (folder / "weights").read_bytes() == b"1"
        return self.run


@pytest.fixture
def saved(family, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(family, "model")
    return family


def test_what_answers_wrong_is_not_written(saved, monkeypatch, capsys):
    monkeypatch.setattr(
        "constructions.export.tool", lambda name: Stub(lambda tokens: -saved(tokens).detach())
    )
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
def test_a_missing_tool_is_reported_before_the_work(tool, tmp_path, monkeypatch, capsys):
    absent = {PACKAGES[tool], "tokenizers", "onnx"}
    for name in [*absent, *(name for name in sys.modules if name.split(".")[0] in absent)]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, TOOLS[tool], raising=False)
    (tmp_path / "model").mkdir()
    assert main(["export", str(tmp_path / "model"), "--to", tool, str(tmp_path / "out")]) == 2
    assert f"pip install -c constraints.txt '.[{tool}]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "--to", "jax", "out"], "invalid choice: 'jax'"),
        (["model", "out"], "the following arguments are required: --to"),
        (["model", "--to", "onnx", "no/such/out"], "no/such/out"),
        (["model", "--to", "onnx", "out", "--json", "no/such/file"], "no/such/file"),
    ],
)
def test_bad_arguments_are_reported(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
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
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(tool in done.stdout for tool in TOOLS)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A folder in which the Python of docs/export.md has run, from top to bottom, and what that
    has printed.
    """
    folder, names, printed = tmp_path_factory.mktemp("page"), {}, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(folder)
        for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S):
            exec(compile(code, "export.md", "exec"), names)
    return folder, printed.getvalue()


@lens
@hugging_face
@onnx
def test_the_page_runs_and_prints_what_stands_there(page, monkeypatch, capsys):
    folder, printed = page
    monkeypatch.chdir(folder)
    assert printed == "".join(re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S))
    (console,) = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)
    assert len(runs(console)) == 1 + len(TOOLS)
    for command, expected in runs(console):
        assert main(shlex.split(command.removeprefix("python -m verify "))) == 0
        assert matches(capsys.readouterr().out.splitlines(), expected, numbers_vary=False), command
