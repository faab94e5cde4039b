"""The README tells the truth: its Python runs, and its commands print what stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from console_blocks import matches, runs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
CONSOLE = re.findall(r"^(<!-- numbers vary.*?-->\n)?```console\n(.*?)^```", README, re.M | re.S)


def in_order(blocks):
    """The blocks in groups: what reads a model that an earlier block has saved is run after it, by
    the same process.
    """
    groups, of_model = [], {}
    for vary, text in blocks:
        used = next((name for name in of_model if re.search(rf"\b{name}\b", text)), None)
        group = [] if used is None else of_model[used]
        if used is None:
            groups.append(group)
        group.append((vary, text))
        of_model.update(dict.fromkeys(re.findall(r"--save (\S+)", text), group))
    return groups


GROUPS = in_order(CONSOLE)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder in which the Python of the README has run, and left its files."""
    folder = tmp_path_factory.mktemp("readme")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for code in PYTHON:
            exec(compile(code, "README.md", "exec"), {})
    return folder


def test_python_runs(workshop):
    assert (workshop / "family.tsv").is_file()


@pytest.mark.long
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_commands_print_what_stands_there(group, workshop):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for vary, command, expected in (
        (vary, *run) for vary, text in GROUPS[group] for run in runs(text)
    ):
        # it has just been run
        if command == "python -m verify all" and "VERIFY_ALL_OUTPUT" in os.environ:
            printed = Path(os.environ["VERIFY_ALL_OUTPUT"]).read_text()
            assert matches(printed.splitlines(), expected, bool(vary)), printed[-3000:]
            continue
        program = command.replace("python ", f"{sys.executable} ", 1).replace(
            "benchmarks/", f"{ROOT}/benchmarks/"
        )
        done = subprocess.run(
            program,
            shell=True,
            cwd=workshop,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert matches(done.stdout.splitlines(), expected, bool(vary)), done.stdout[-3000:]


def test_the_comparison_notices_a_difference():
    assert matches(["a 1 b", "x", "c"], ["a 1 b", "...", "c"], numbers_vary=False)
    assert not matches(["a 2 b", "x", "c"], ["a 1 b", "...", "c"], numbers_vary=False)
    assert matches(["a 2 b"], ["a 1 b"], numbers_vary=True)
    assert not matches(["a b"], ["a 1 b"], numbers_vary=True)
    assert not matches(["a", "b"], ["a"], numbers_vary=False)


def test_what_reads_a_saved_model_is_run_after_what_saves_it():
    blocks = [
        ("", "$ a --save one\n"),
        ("", "$ b\n"),
        ("", "$ c one\n$ d --save two\n"),
        ("", "$ two\n"),
    ]
    first, *others = in_order(blocks)
    assert first == [blocks[0], blocks[2], blocks[3]]
    assert others == [[blocks[1]]]
    assert any(len(group) > 1 for group in GROUPS)
    assert sum(map(len, GROUPS)) == len(CONSOLE)


def test_there_is_something_to_run():
    assert len(PYTHON) >= 2
    assert len(CONSOLE) >= 3
    assert sum(len(runs(block)) for _, block in CONSOLE) >= 4


def test_ci_runs_the_two_commands_of_the_readme():
    commands = re.findall(r"^```sh\n(.*?)\n```", README, re.M | re.S)
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    assert commands[0].endswith("-m verify all")
    assert commands[1].endswith("-m pytest")
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_every_part_of_ci_has_its_minutes_and_all_have_40():
    parts = re.findall(r'^part "(.*)"$', (ROOT / ".ci" / "run").read_text(), re.M)
    table = re.findall(r"^\| ([^|]+) \| (\d+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert [name for name, _ in table] == parts
    assert sum(int(minutes) for _, minutes in table) <= 40
    assert len(parts) > 5
