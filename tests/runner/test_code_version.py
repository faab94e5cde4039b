"""The version of the code changes with all that may decide a result, and with nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from journals import CODE
from own_files import TERNARY, own_file

from constructions.catalogue import construction
from constructions.guards.user_code import loaded
from verify.runner import code_version as versions
from verify.runner.code_version import code_version, own_files

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The three packages in another folder."""
    folder = tmp_path_factory.mktemp("copy")
    for package in versions.PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    return folder


def version_in(folder):
    """What a process says that takes the packages from there."""
    code = "from verify.runner.code_version import code_version; print(code_version())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_it_is_the_same_in_another_folder_and_16_digits(copy):
    elsewhere = version_in(copy)
    assert elsewhere == code_version()
    assert len(elsewhere) == 16
    assert int(elsewhere, 16) >= 0


@pytest.fixture
def before(copy, monkeypatch):
    """The version of the copy, which `code_version` says in the test."""
    folders = {package: copy / package for package in versions.PACKAGES}
    monkeypatch.setattr(versions, "_folders", lambda: folders)
    return code_version()


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("constructions/theorems/theorem_4_1.py", True),
        ("bounds/theorem_4_2.py", True),
        ("verify/kernel/proof.py", True),
        ("verify/cells/grid.py", True),
        ("verify/attacking/kinds.py", True),
        ("constructions/new_file.py", True),
        ("verify/cli/output.py", False),
        ("verify/cli/reports/new_file.py", False),
        ("verify/runner/lines.py", False),
        ("verify/attacking/cost.py", False),
        ("verify/cells/cost.py", False),
        ("verify/cells/dimensions.py", False),
        ("verify/cells/verifying.py", True),
        ("verify/__main__.py", False),
        ("verify/interrupts.py", False),
        ("verify/notes.txt", False),
        ("tests/new_file.py", False),
    ],
)
def test_one_more_byte_in_a_file_changes_it_where_the_file_decides(name, decides, copy, before):
    path = copy / name
    path.parent.mkdir(exist_ok=True)
    old = path.read_bytes() if path.exists() else None
    path.write_bytes((old or b"") + b"\n")
    try:
        assert (code_version() != before) == decides
    finally:
        path.unlink() if old is None else path.write_bytes(old)
    assert code_version() == before


def test_a_file_by_another_name_changes_it(copy, before):
    path = copy / "bounds" / "counting.py"
    path.rename(path.with_name("counted.py"))
    try:
        assert code_version() != before
    finally:
        path.with_name("counted.py").rename(path)


@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_another_version_of_a_library_changes_it(library, monkeypatch):
    before, version = code_version(), versions.importlib.metadata.version
    monkeypatch.setattr(
        versions.importlib.metadata,
        "version",
        lambda name: version(name) + ".1" * (name == library),
    )
    assert code_version() != before
    assert versions.versions().startswith("Python 3.")


def test_another_python_changes_it_by_its_second_number_alone(monkeypatch):
    before = code_version()
    major, minor, patch = sys.version_info[:3]
    for numbers, same in (((major, minor, patch + 1), True), ((major, minor + 1, 0), False)):
        monkeypatch.setattr(
            versions.platform, "python_version_tuple", lambda n=numbers: tuple(map(str, n))
        )
        assert (code_version() == before) == same


def test_a_library_that_says_no_version_is_no_error(monkeypatch):
    def unknown(name):
        raise versions.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions.importlib.metadata, "version", unknown)
    assert versions.versions().count("of an unknown version") == 2


def test_it_takes_less_than_50_ms_and_imports_no_torch():
    code = """
import sys, time
from verify.runner.code_version import code_version
def seconds():
    started = time.process_time()  # a machine may be busy with something else
    code_version()
    return time.process_time() - started
print("torch" in sys.modules, min(seconds() for _ in range(5)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    torch, seconds = done.stdout.split()
    assert torch == "False"
    assert float(seconds) < 0.05


# ------------------------------------------------------------------ a user's own


def test_the_catalogue_has_no_files_of_a_users():
    construction("selector")
    assert own_files(["selector", "hybrid"]) == []
    assert code_version(own_files(["selector"])) == code_version()


def test_a_construction_of_a_users_makes_another_version():
    construction(TERNARY)
    found = own_files([TERNARY])
    assert ROOT / "docs" / "ternary_selector.py" in found
    assert not [path for path in found if "site-packages" in path.parts]
    assert not [path for path in found if path.is_relative_to(ROOT / "verify")]
    assert code_version(found) != code_version()


HELPERS = {
    "at the top": "import helper_of_his\n",
    "a number of it": "from helper_of_his import SIZE\n",
    "in a function": "def inner():\n    import helper_of_his\n",
    "through another": "import between_of_his\n",
    "in a package": "import package_of_his.inner\n",
}


@pytest.mark.parametrize("way", HELPERS)
def test_a_change_of_a_module_that_his_file_imports_makes_another_version(
    way, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    versions._found.cache_clear()
    for name in ("helper_of_his", "between_of_his", "package_of_his", "package_of_his.inner"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    helper = tmp_path / "helper_of_his.py"
    helper.write_text("SIZE = 1\n")
    (tmp_path / "between_of_his.py").write_text("def inner():\n    import helper_of_his\n")
    package = tmp_path / "package_of_his"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("def inner():\n    from . import table\n")
    (package / "table.py").write_text("SIZE = 1\n")
    reference = own_file(tmp_path, f"{HELPERS[way]}mine = right\n", f"own_{len(way)}.py")
    loaded(reference)
    before = code_version(own_files([reference]))
    assert code_version(own_files([reference])) == before
    changed = package / "table.py" if way == "in a package" else helper
    changed.write_text("SIZE = 2\n")
    assert code_version(own_files([reference])) != before
    changed.write_text("SIZE = 1\n")
    assert code_version(own_files([reference])) == before


@pytest.mark.parametrize("name", ["__main__", "__mp_main__"])
def test_the_program_that_runs_it_is_no_file_of_his(name, tmp_path, monkeypatch):
    """`geometric-recall` and `python -m verify` do the same jobs; multiprocessing, where it was
    imported, gives the program another name.
    """
    reference = own_file(tmp_path, "mine = right")
    before = own_files([reference])
    script = tmp_path / "geometric-recall"
    script.touch()
    program = ModuleType(name)
    program.__file__ = str(script)
    monkeypatch.setitem(sys.modules, name, program)
    assert own_files([reference]) == before


def test_his_file_in_another_folder_is_the_same_version(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.py").write_text("SIZE = 1\n")
    one, other = (code_version([tmp_path / name / "own.py"]) for name in ("one", "other"))
    assert one == other != code_version()
    assert one != CODE
