"""What the checker trusts: numpy and the standard library, and no floating-point number; and its command."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hand_made import built

from constructions import (
    save,
)

ROOT = Path(__file__).resolve().parents[2]
TRUSTED = sorted(
    path
    for floor in ("checking", "kernel", "reading", "symbolic")
    for path in (ROOT / "verify" / floor).rglob("*.py")
)
ALLOWED = {
    "collections",
    "dataclasses",
    "fractions",
    "hashlib",
    "itertools",
    "json",
    "math",
    "mmap",
    "numpy",
    "os",
    "pathlib",
    "re",
    "typing",
    "unicodedata",
}
ALLOWED |= {"__future__", "concurrent", "math", "verify"}
INEXACT = {
    "float",
    "exp",
    "exp2",
    "log",
    "log2",
    "sqrt",
    "isclose",
    "allclose",
    "assert_allclose",
    "round",
    "rint",
    "pow",
}
VERDICT = {"verify.kernel.verdict"}
READING = VERDICT | {
    f"verify.reading.{name}" for name in ("codes", "maps", "stored", "weights", "wording")
}
SHARED = {
    "kernel": set(),
    "reading": VERDICT,
    "symbolic": READING,
    "checking": READING | {"verify", "verify.kernel", "verify.symbolic.claims"},
}
"""What a folder of the checkers imports of the others."""
INEXACT |= {"divide", "true_divide", "mean", "average", "linalg", "random", "eval", "exec"}


@pytest.mark.parametrize("path", TRUSTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_checker_imports_no_more_than_numpy_and_the_standard_library(path):
    tree = ast.parse(path.read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported |= {node.module for node in froms}
    assert all(node.level == 0 for node in froms)
    assert {name.split(".")[0] for name in imported} <= ALLOWED
    inner = {name for name in imported if name.startswith("verify")}
    assert {name for name in inner if not name.startswith(f"verify.{path.parent.name}")} <= SHARED[
        path.parent.name
    ]
    assert imported or path.stem == "__init__", "the control: imports are found"


@pytest.mark.parametrize(
    "path",
    [path for path in TRUSTED if path.parent.name != "kernel"],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_the_checker_computes_with_no_floating_point_numbers(path):
    """The kernel holds integers in float64: tests/kernel/test_arithmetic.py."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, (float, complex)), (
                f"line {node.lineno}: {node.value}"
            )
        if isinstance(node, ast.Call):
            name = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )
            assert name not in INEXACT, f"line {node.lineno}: {name}"
        assert not isinstance(node, ast.Assert), "an assertion may be switched off"


def run(*arguments):
    command = [sys.executable, "-m", "verify", "check", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_proof_takes_neither_torch_nor_the_builders(tmp_path):
    """The command runs a sample of queries beside it, which does."""
    save(built("hybrid", 3), tmp_path / "model")
    program = "import sys; from verify.checking.check import check; print(check(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program, str(tmp_path / "model")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verdict='PASS'" in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.split("|")[-1].strip() for line in lines}
    assert {
        "numpy",
        "verify.checking.described",
        "verify.reading.stored",
        "verify.symbolic.proof",
        "verify.symbolic.values",
    } <= imported
    assert not {
        name
        for name in imported
        if name.split(".")[0] in ("torch", "scipy", "sympy", "safetensors")
    }
    floors = ("model", "writing", "theorems", "decoders", "forms", "saved")
    above_the_facts = tuple(f"constructions.{floor}" for floor in floors)
    assert [name for name in imported if name.startswith(above_the_facts)] == []


def test_the_command_says_what_is_proven_and_by_whom(tmp_path):
    save(built("hybrid", 3), tmp_path / "model")
    done = run(tmp_path / "model", "--json", tmp_path / "reported.json", "--by", "symbolic")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "PASS: all 12 queries are answered right, by the symbolic checker"
    )
    assert "in real arithmetic; exact in float32" in done.stdout
    reported = json.loads((tmp_path / "reported.json").read_text())
    assert (reported["verdict"], reported["queries"], reported["exact"]) == ("PASS", 12, "float32")
    assert reported["margin_without_leaks"] == "2"


def test_the_command_tells_what_is_refuted_or_undecided(tmp_path):
    save(built("selector", 3), tmp_path / "model")
    weights = tmp_path / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    done = run(tmp_path / "model", "--json", tmp_path / "reported.json")
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL: weights.safetensors: its SHA-256 is")
    assert json.loads((tmp_path / "reported.json").read_text())["verdict"] == "FAIL"
    (tmp_path / "empty").mkdir()
    done = run(tmp_path / "empty")
    assert (done.returncode, done.stdout) == (
        1,
        "FAIL: manifest.json is missing: this is no model folder\n",
    )


def test_the_command_refuses_what_is_no_folder(tmp_path):
    done = run(tmp_path / "none")
    assert done.returncode == 2
    assert "no such folder" in done.stderr
    assert run().returncode == 2
