"""What is built from this tree holds what it needs, and its program runs wherever it is called."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

import constructions
from constructions.guards.extras import installing
from verify.__main__ import main

ROOT = Path(__file__).parent.parent
SHIPPED = ("constructions", "bounds", "verify", "tests", "docs", "benchmarks", "examples", ".ci")
SINGLE = (
    ".gitignore",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "README.md",
    "LICENSE",
    "MANIFEST.in",
    "constraints.txt",
    "pyproject.toml",
)
FOREIGN = (
    "verify",
    "constructions",
    "bounds",
    "numpy",
    "torch",
    "json",
    "signal",
    "multiprocessing",
    "random",
)

INSTALLS = re.compile(r"installing\([\"']([a-z]+)[\"']\)")
"""Where a message says how a missing package is installed."""

FEW = """
import sys
import verify.cli.commands.cells
from verify.__main__ import script
from verify.cells.cell import Cell

if __name__ == "__main__":
    verify.cli.commands.cells.default_grid = lambda: [Cell("selector", 5, 1), Cell("selector", 5, 2)]
    sys.exit(script())
"""


def files_of(tree):
    """All files that a source distribution must hold, as paths in the tree: those of git, where it
    is one of git.
    """
    listed = (
        path for part in SHIPPED for path in sorted((tree / part).rglob("*")) if path.is_file()
    )
    made = ("__pycache__", ".hypothesis", ".pytest_cache")
    kept = [path.relative_to(tree) for path in listed if not set(made) & set(path.parts)]
    return {str(path) for path in kept} | set(SINGLE)


def python(*words, **options):
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, **options
    )


def built(tree, what):
    """The source distribution or the wheel of a tree, in its folder `dist`."""
    code = f"import setuptools.build_meta as b; b.build_{what}('dist')"
    done = python("-c", code, cwd=tree)
    assert done.returncode == 0, done.stderr
    (found,) = (tree / "dist").glob("*.whl" if what == "wheel" else "*.tar.gz")
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what this test file is part of, without by-products, since a build writes into the
    tree.
    """
    copy = tmp_path_factory.mktemp("tree")
    for name in files_of(ROOT):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def unpacked(tree, tmp_path_factory):
    """The source distribution, unpacked elsewhere."""
    where = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built(tree, "sdist")) as archive:
        archive.extractall(where, filter="data")
    (folder,) = where.iterdir()
    return folder


@pytest.fixture(scope="module")
def installed(tree, tmp_path_factory):
    """A folder `site` with the wheel in it, and `bin/geometric-recall` as an
    installer writes it.
    """
    where = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(built(tree, "wheel")) as archive:
        archive.extractall(where / "site")
    (points,) = (where / "site").glob("*.dist-info/entry_points.txt")
    title, line = points.read_text().split("\n")[:2]
    assert title == "[console_scripts]"
    name, target = line.split(" = ")
    module, function = target.split(":")
    assert callable(getattr(import_module(module), function))
    (where / "bin").mkdir()
    (where / "bin" / name).write_text(
        f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    )
    (where / "bin" / "few").write_text(FEW)
    return where


def test_the_source_distribution_holds_every_file_that_its_tests_need(unpacked):
    assert files_of(ROOT) - files_of(unpacked) == set()
    assert len(files_of(ROOT)) > 140


def test_what_git_tracks_is_in_the_source_distribution(unpacked):
    if not (ROOT / ".git").exists():
        pytest.skip("not a tree of git: the test above compares with the files that are there")
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    missing = [
        name
        for name in tracked
        if name and (ROOT / name).is_file() and not (unpacked / name).is_file()
    ]
    assert missing == []


@pytest.mark.long
def test_tests_of_the_source_distribution_run_there(unpacked):
    """Those that need helpers, documents and `.ci/run`, but no torch, which takes seconds to
    import.
    """
    words = (
        "-m",
        "pytest",
        "-o",
        "addopts=-q --strict-markers",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
    )
    some = [f"tests/{name}" for name in ("test_tsv.py", "test_wording.py", "test_readme.py")]
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    done = python(
        *words,
        *some,
        "-k",
        "not commands_print and not python_runs",
        cwd=unpacked,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_program_runs_whatever_lies_in_the_current_folder(installed, tmp_path):
    for name in FOREIGN:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('foreign code has run')\n")
    environment = {**os.environ, "PYTHONPATH": str(installed / "site")}
    environment.pop("PYTHONSAFEPATH", None)
    program = str(installed / "bin" / "geometric-recall")
    listed = python(program, "list", cwd=tmp_path, env=environment)
    assert (listed.returncode, listed.stderr) == (0, "")
    cells = python(str(installed / "bin" / "few"), "all", cwd=tmp_path, env=environment)
    assert (cells.returncode, cells.stderr) == (0, "")
    assert "PASS: 2 cells planned, 2 passed" in cells.stdout
    safe = python("-P", "-m", "verify", "list", cwd=tmp_path, env=environment)
    assert safe.stdout == listed.stdout
    other = python("-m", "verify", "list", cwd=tmp_path, env=environment)
    assert "foreign code has run" in other.stderr, "the control, and what the help warns of"


def test_both_programs_name_themselves(installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed / "site")}
    script = python(
        str(installed / "bin" / "geometric-recall"), "--help", env=environment, cwd=tmp_path
    ).stdout
    module = python("-P", "-m", "verify", "--help", env=environment, cwd=tmp_path).stdout
    assert script.startswith("usage: geometric-recall [-h]")
    assert module.startswith("usage: python -m verify [-h]")
    assert "  geometric-recall check unicode-model" in script
    assert "  python -m verify check unicode-model" in module


def test_there_is_one_version(installed, capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"geometric-factual-recall {constructions.__version__}\n"
    assert [path.name for path in (installed / "site").glob("*.dist-info")] == [
        f"geometric_factual_recall-{constructions.__version__}.dist-info"
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]


def test_missing_packages_are_installed_from_extras_that_exist_in_the_tried_releases():
    """A message that says another command than that of the pages would be found here."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = set()
    for folder in ("constructions", "bounds", "verify"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            named |= set(INSTALLS.findall(text))
            for line in text.splitlines():
                assert "pip install" not in line or "-c constraints.txt" in line, (path, line)
    assert {"rdf", "parquet", "plot", "cluster", "huggingface"} <= named
    assert named <= extras["optional-dependencies"].keys()
    assert installing("plot").startswith("pip install -c constraints.txt '.[plot]'")
