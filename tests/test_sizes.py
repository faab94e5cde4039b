"""Sizes from the command line and from files are refused in a sentence with both numbers, before
memory or time is spent.
"""

import json
import subprocess
import sys

import pytest
from folder_edits import edit

from constructions import (
    DoesNotFit,
    FactTable,
    InputError,
    chain_of_thought,
    hybrid,
    load,
    save,
    selector,
    superposition,
)
from constructions.model.stream import Space
from constructions.model.transformer import Transformer
from verify.checking.check import check

HUGE = "1099511627776"
SHOWN = "1,099,511,627,776"

CAPPED = """
import contextlib, io, json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2)
from constructions.guards.memory import memory_limit
from verify.__main__ import main
assert memory_limit() <= 6 * 2**30, "the cap of the process counts"
found = []
for arguments in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = main(arguments)
        except SystemExit as left:
            status = left.code
    found.append((status, out.getvalue()))
# of this program alone: ru_maxrss counts what the process that started it held before
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
peak = int(line.split()[1])
try:  # the control: the cap is there
    bytearray(8 * 2**30)
    capped = False
except MemoryError:
    capped = True
print(json.dumps([found, peak, capped]))
"""


@pytest.mark.long
def test_huge_sizes_on_the_command_line_cost_no_memory(tmp_path):
    one, two = tmp_path / "one.tsv", tmp_path / "two.tsv"
    one.write_text("a\tr\tb\nb\tr\ta\n")
    two.write_text("a\tr\tb\na\tq\tb\n")
    cases = [
        (["hybrid", "-N", "3", "-R", "1", "-k", HUGE], "2,048"),
        (["hybrid_shared", "-N", "3", "-R", "2", "-k", "2048"], "bytes"),
        (["hybrid_shared", "-N", "3", "-R", "1", "-k", "2048"], "axes"),
        (["key_value", "-N", "3", "-R", "2", "-k", HUGE], "2,048"),
        (["precomputed", "-N", "3", "-R", "5", "-k", "1000"], "bytes"),
        (["chain_of_thought", "-N", "3", "-R", "2", "-k", "2", "--max-hops", HUGE], "2,048"),
        (["chain_of_thought", "-N", "3", "-R", "2", "-k", "2", "--hops-per-token", HUGE], "2,048"),
        (["hybrid", "-N", "3", "-R", "2", "-k", "2", "--looked-up", HUGE], "relations, 2"),
        (["selector", "-N", HUGE, "-R", "1"], "bytes"),
        (["selector", "-N", "2", "-R", "20000000"], "bytes"),
        (["attention_selector", "-N", "1", "-R", HUGE], "bytes"),
        (["superposition", "-N", "2", "-R", "300000"], "bytes"),
        (["facts", str(one), "-k", HUGE], "2,048"),
        (["facts", str(two), "-k", HUGE], "1,000,000"),
        (["bound", "-N", HUGE, "-R", HUGE, "-k", HUGE], "64"),
        (["plan", "-N", HUGE, "-R", "2", "-k", HUGE], "64"),
        (["separation", "-R", HUGE, "-k", "3"], "64"),
        (["bound", "-N", HUGE, "-R", HUGE, "-k", HUGE, "--embedding-bits", HUGE], SHOWN),
    ]
    arguments = json.dumps([case for case, _ in cases])
    done = subprocess.run(
        [sys.executable, "-c", CAPPED, arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found, peak, capped = json.loads(done.stdout)
    assert capped
    assert peak < 700 * 2**10, f"{peak} KiB"  # torch alone takes some 250 MiB
    for (case, number), (status, printed) in zip(cases, found, strict=True):
        assert status == (0 if "--embedding-bits" in case else 1 if "UNKNOWN" in printed else 2), (
            case,
            printed,
        )
        assert "PASS" not in printed, (case, printed)
        assert "Traceback" not in printed, (case, printed)
        assert number in printed, (case, printed)


# ---------------------------------------------------------------- of folders


def in_architecture(change):
    return lambda manifest: change(manifest["architecture"])


FOLDERS = {
    "repeats": in_architecture(lambda shape: shape.update(repeats=10**9)),
    "repeats beyond any float": in_architecture(lambda shape: shape.update(repeats=10**3000)),
    "empty layers": in_architecture(
        lambda shape: shape["layers"].extend([{"heads": [], "d_mlp": []}] * 5_000)
    ),
    "empty layers, few": in_architecture(
        lambda shape: shape["layers"].extend([{"heads": [], "d_mlp": []}] * 2000)
    ),
    "heads": in_architecture(lambda shape: shape["layers"][0]["heads"].extend([[0, 0]] * 5_000)),
    "hidden layers": in_architecture(
        lambda shape: shape["layers"][0]["d_mlp"].extend([1] * 5_000)
    ),
    "a hidden layer": in_architecture(lambda shape: shape["layers"][0]["d_mlp"].append(10**15)),
    **{
        size: lambda manifest, size=size: manifest["sizes"].update({size: 10**12})
        for size in (
            "entities",
            "relations",
            "hops",
            "positions",
            "d_model",
            "d_vocab",
            "parameters",
        )
    },
}


@pytest.fixture
def folder(tmp_path):
    save(chain_of_thought(FactTable.random_bijections(3, 2, seed=0), 2), tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", FOLDERS)
def test_huge_sizes_in_a_folder_are_refused_by_both_readers(name, folder, memory_kept):
    edit(folder, FOLDERS[name])
    if name not in ("d_vocab", "parameters"):  # what the checker derives itself
        proven = check(folder)
        assert proven.verdict in ("FAIL", "UNKNOWN")
        assert "stopped" not in proven.reason
        assert len(proven.reason) < 2100
    with pytest.raises(InputError) as refused:
        load(folder)
    assert len(str(refused.value)) < 5000
    if name == "empty layers":  # before each is looked at
        assert "5,001 layers, and up to 4,096 are read" in str(refused.value)
        assert proven.reason == "manifest.json has 5001 layers, and up to 4096 are read"


@pytest.fixture
def memory_kept():
    """What Python and numpy allocate at once stays below 100 MiB."""
    import tracemalloc

    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_the_names_and_shapes_of_tensors_are_those_of_the_module():
    facts = FactTable.random_bijections(5, 2, seed=0)
    for model in (
        selector(facts),
        hybrid(facts, 2, looked_up=1),
        chain_of_thought(facts, 2),
        superposition(_apart()),
    ):
        found = {
            name: tuple(tensor.shape)
            for name, tensor in Transformer(model.shape).state_dict().items()
        }
        assert model.shape.tensor_shapes() == found


def _apart():
    return FactTable.random_disjoint(5, 2, seed=0)


# ---------------------------------------------------------------- of plans


def test_slots_are_refused_together_before_any_is_numbered():
    many = {f"slot {i}": (10**9,) for i in range(1000)}
    with pytest.raises(DoesNotFit, match="1,000,000,000,000 coordinates of the slots"):
        Space(**many)
    with pytest.raises(DoesNotFit, match=r"1,000 axes.*30 are possible"):
        Space(**(many | {"words": (1,) * 1000}))


def test_tables_whose_weights_cannot_fit_are_refused_by_the_builders_too():
    facts = FactTable.random_functions(2, 300_000)
    for build in (selector, superposition):
        with pytest.raises(
            InputError, match=r"need [0-9.,e+]+ bytes, and this machine has|disjoint"
        ):
            build(facts)
