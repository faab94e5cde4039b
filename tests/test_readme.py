"""README and pages tell the truth: their Python runs, and their commands print what stands
there.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from console_blocks import matches, runs
from page_blocks import PAGES, ROOT, all_groups, console_of, in_order, python_of

from constructions import CATALOGUE
from verify.__main__ import main

README = (ROOT / "README.md").read_text()
GROUPS = all_groups()


@pytest.fixture(scope="module")
def workshops(tmp_path_factory):
    """For each page a folder in which its Python has run, and left its files."""
    made = {}

    def workshop(page):
        """The folder of a page."""
        if page not in made:
            made[page] = tmp_path_factory.mktemp("page")
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(made[page])
                for code in python_of(page):
                    exec(compile(code, page, "exec"), {})
        return made[page]

    return workshop


@pytest.mark.parametrize("page", [page for page in PAGES if python_of(page)])
def test_python_runs(page, workshops):
    assert workshops(page).is_dir()


@pytest.mark.long
@pytest.mark.parametrize(("page", "group"), GROUPS, ids=[page for page, _ in GROUPS])
def test_commands_print_what_stands_there(page, group, workshops):
    workshop = workshops(page)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for vary, command, expected in ((vary, *run) for vary, text in group for run in runs(text)):
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


def test_the_picture_of_the_readme_is_drawn_by_its_command(workshops, monkeypatch, capsys):
    """The committed file has the texts and the shapes of the one that is drawn now, and all its
    bytes where the same matplotlib draws.
    """
    monkeypatch.chdir(workshops("README.md"))
    (command,) = re.findall(r"^\$ python -m verify (show .*)$", README, re.M)
    assert main([*shlex.split(command)[:-1], "drawn.svg"]) == 0
    capsys.readouterr()
    drawn, committed = Path("drawn.svg").read_text(), (ROOT / "docs/mechanism.svg").read_text()
    assert "](docs/mechanism.svg)" in README
    assert shlex.split(command)[-1] == "mechanism.svg"
    assert what_is_drawn(drawn) == what_is_drawn(committed)
    assert {"Paris", "Euro", "French"} <= set(what_is_drawn(committed)[0])
    if version_of(drawn) == version_of(committed):
        assert drawn == committed
    other = ["show", "countries", "Japan currency", "--plot", "drawn.svg"]
    assert main(other) == 0
    assert what_is_drawn(Path("drawn.svg").read_text()) != what_is_drawn(committed), "the control"


def what_is_drawn(svg):
    """The texts of a picture, which matplotlib writes as remarks beside their outlines, and how
    many shapes it has.
    """
    return re.findall(r"<!-- (.*?) -->", svg), len(re.findall('<g id="patch_', svg))


def version_of(svg):
    """The version of matplotlib that has drawn it."""
    return re.search(r"Matplotlib v([\d.]+)", svg)[1]


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
    assert any(len(group) > 1 for _, group in GROUPS)
    assert sum(len(group) for _, group in GROUPS) == sum(len(console_of(page)) for page in PAGES)


def test_there_is_something_to_run():
    assert len(python_of("README.md")) == 1
    assert len(console_of("README.md")) == 2
    assert sum(len(python_of(page)) for page in PAGES) >= 5
    assert sum(len(runs(block)) for page in PAGES for _, block in console_of(page)) >= 15


def test_the_readme_is_short_and_names_every_construction():
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S)
    assert README.count("\n") <= 150
    assert max(map(len, README.splitlines())) <= 100
    rows = re.findall(r"^\| \[.*$", README, re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    shared = {f"{name}_shared" for name in re.findall(r"`(key_value|key_value_rows)`", README)}
    assert named - {"_shared"} | shared == CATALOGUE.keys()
    targets = dict(re.findall(r"^\[(.+?)\]: (\S+)$", README, re.M))
    assert all((ROOT / target).is_file() for target in targets.values())
    words = re.sub(r"`[^`]*`", "", prose)
    assert set(re.findall(r"\[([^\]]+)\](?![(:])", words)) <= targets.keys()


def test_ci_runs_the_commands_of_the_readme():
    commands = re.findall(r"^```sh\n(.*?)\n```", README, re.M | re.S)
    assert len(commands) == 2
    assert all("pip install" in command.partition("\n")[0] for command in commands)
    assert commands[0].partition("\n")[2] == ".venv/bin/python -m verify all"
    assert commands[1].partition("\n")[2] == ".venv/bin/python -m pytest"
    run = (ROOT / ".ci" / "run").read_text()
    for block, line in ((1, 1), (1, 2), (2, 1), (2, 2)):
        assert f"$(line_of_readme {block} {line})" in run
    assert "`python -m verify learned`" in README
    assert ".venv/bin/python -m verify learned\n" in run


def test_every_part_of_ci_has_its_minutes_and_all_have_40():
    parts = re.findall(r'^part "(.*)"$', (ROOT / ".ci" / "run").read_text(), re.M)
    table = re.findall(r"^\| ([^|]+) \| (\d+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert [name for name, _ in table] == parts
    assert sum(int(minutes) for _, minutes in table) <= 40
    assert len(parts) > 5
