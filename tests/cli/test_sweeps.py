"""Sweeps: the rows are what the commands print at each size, in every kind of file."""

import csv
import io
import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bounds.plans import Budget
from constructions import CATALOGUE, FactTable, InputError
from constructions.guards.extras import installing
from verify.__main__ import main
from verify.cells.cell import Cell
from verify.cli.reports import rows as writing
from verify.cli.reports import sweeps
from verify.cli.reports.plane_tables import positive_bits
from verify.cli.reports.rounding import down
from verify.cli.reports.rows import as_csv, as_parquet, columns_of, write_rows

ROOT = Path(__file__).parent.parent.parent
SWEEP = ["-N", "2^4:2^6,100", "-R", "2,3", "-k", "1:2"]
SIZES = [(n, r, k) for n in (16, 32, 64, 100) for r in (2, 3) for k in (1, 2)]


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def printed_plan(size, capsys, *more):
    """The rows that `plan --wide` prints at one size: label, then numbers."""
    words = [
        word for pair in zip(("-N", "-R", "-k"), map(str, size), strict=True) for word in pair
    ]
    assert main(["plan", *words, "--wide", *more]) in (0, 1)
    table = capsys.readouterr().out.split("does not fit")[0].splitlines()[1:]
    rows = [line.rsplit(maxsplit=10) for line in table]
    return [row for row in rows if len(row) == 11 and row[1][0].isdigit()]


def as_printed(row):
    """The columns of the wide table of plans, of a row that was read from a CSV."""
    label = f"{row['construction']} {row['options']}".strip()
    names = ("d_model", "d_mlp", "n_layers", "written_tokens", "internal_fact_bits")
    names += ("embedding_fact_bits", "unembedding_fact_bits", "internal_bits", "embedding_bits")
    return [label, *(f"{int(row[name]):,}" for name in (*names, "total_bits"))]


@pytest.mark.parametrize(
    "more", [[], ["--all"], ["--max-d", "60"], ["--only", "hybrid,key_value"]]
)
def test_the_rows_of_plan_are_what_plan_prints_at_each_size(more, tmp_path, capsys):
    path = tmp_path / "plans.csv"
    status = main(["plan", *SWEEP, *more, "--csv", str(path)])
    said = capsys.readouterr().out
    found = read(path)
    assert f"{len(SIZES)} sizes, {len(found)} rows" in said
    at = {size: [] for size in SIZES}
    for row in found:
        if not row["exceeds"]:
            at[int(row["N"]), int(row["R"]), int(row["k"])].append(as_printed(row))
    for size in SIZES:
        assert at[size] == printed_plan(size, capsys, *more), size
    assert at[SIZES[0]] != at[SIZES[1]], "the control"
    assert status == (0 if all(at.values()) else 1)
    assert ("nothing fits at" in said) == (not all(at.values()))


def test_the_rows_of_bound_are_what_bound_prints_at_each_size(tmp_path, capsys):
    path = tmp_path / "bounds.csv"
    sizes = ["-N", "64,100", "-R", "4", "-k", "1:2"]
    assert main(["bound", *sizes, "--csv", str(path)]) == 0
    assert "4 sizes," in capsys.readouterr().out
    found = read(path)
    for n, k in ((64, 1), (64, 2), (100, 1), (100, 2)):
        assert main(["bound", "-N", str(n), "-R", "4", "-k", str(k)]) == 0
        printed = capsys.readouterr().out.splitlines()
        here = [row for row in found if (row["N"], row["k"]) == (str(n), str(k))]
        by_bits = {}
        for row in here:
            if row["kind"] == "bound":
                said = row["internal_bits"]
                by_bits.setdefault(row["embedding_bits"], []).append(
                    positive_bits(float(said)) if said else "-"
                )
        for bits, cells in by_bits.items():
            if not set(cells) <= {"-", "negative"}:  # of which the first is the last that is shown
                assert [bits, *cells] in [line.replace(",", "").split() for line in printed] or [
                    f"{int(bits):,}",
                    *cells,
                ] in [line.split() for line in printed]
        points = [row for row in here if row["kind"] == "construction"]
        assert len(points) > 10
        for row in points:
            label = f"{row['name']} {row['options']}".strip()
            (line,) = [one for one in printed if one.startswith(f"{label} ")]
            cells = line.removeprefix(label).split()
            numbers = ("embedding_bits", "unembedding_bits", "internal_bits")
            assert cells[:3] == [f"{int(row[name]):,}" for name in numbers]
            if row["ratio"]:
                assert cells[3] == down(float(row["beside_bits"]), 1)
                assert cells[4] == f"{float(row['ratio']):.3f}"
            else:
                assert cells[3] in ("none", "exempt") or cells[3].startswith("(")


def test_the_rows_of_separation_are_what_separation_prints(tmp_path, capsys):
    path = tmp_path / "separations.csv"
    assert main(["separation", "-R", "4,16", "-k", "3", "--csv", str(path)]) == 0
    assert "2 sizes, 4 rows" in capsys.readouterr().out
    found = read(path)
    assert [row["N"] for row in found] == ["756", "", "1638", "53516"]
    assert "nowhere separated" in found[1]["why"]
    assert found[0]["internal_bits"] == "15210"
    assert main(["separation", "-R", "4,16", "-k", "3"]) == 0
    printed = capsys.readouterr().out
    for row in found:
        said = (
            f"N = {int(row['N']):,}: B_T = {int(row['internal_bits']):,}," if row["N"] else "now"
        )
        assert said in printed


def test_json_has_the_rows_of_the_csv(tmp_path, capsys):
    for command in (["plan", *SWEEP], ["bound", "-N", "64", "-R", "2:3", "-k", "2"]):
        paths = [str(tmp_path / name) for name in ("x.csv", "x.json")]
        assert main([*command, "--csv", paths[0], "--json", paths[1]]) == 0
        data = json.loads((tmp_path / "x.json").read_text())["rows"]
        texts = [{k: "" if v is None else str(v) for k, v in row.items()} for row in data]
        assert texts == read(paths[0])
    capsys.readouterr()


def test_a_construction_is_verified_at_several_sizes(tmp_path, capsys):
    path, data = tmp_path / "cells.csv", tmp_path / "cells.json"
    files = ["--csv", str(path), "--json", str(data)]
    assert main(["key_value", "-N", "4:8", "-R", "1:2", "-k", "2", *files]) == 0
    assert "PASS: 4 cells planned, 4 passed" in capsys.readouterr().out
    found = read(path)
    assert [(row["N"], row["R"], row["k"]) for row in found] == [
        (n, r, "2") for n in "48" for r in "12"
    ]
    for row, cell in zip(found, json.loads(data.read_text())["cells"], strict=True):
        assert (row["verdict"], row["wrong"]) == ("PASS", "0")
        for name in ("d_model", "parameters", "internal_bits", "queries"):
            assert int(row[name]) == cell[name]
    for more, said in ((["--save", "m"], "--save takes one size"), (["-N", "1:99:1"], "")):
        words = ["key_value", "-N", "4:8", "-R", "1:2", "-k", "2", *more]
        if not said:  # too many cells
            words, said = [*words[:-2], "-N", "1:999:1"], "at most 1,000 sizes"
        assert main(words) == 2
        assert said in capsys.readouterr().err


def test_all_its_journal_and_facts_write_the_same_kind_of_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cells = [Cell("selector", 5, 2), Cell("key_value", 5, 2, 2)]
    monkeypatch.setattr("verify.cli.commands.cells.default_grid", lambda *own: cells)
    assert main(["all", "--workers", "0", "--journal", "j", "--csv", "all.csv"]) == 0
    assert main(["journal", "j", "--csv", "journal.csv"]) == 0
    found = read("all.csv")
    assert [(row["construction"], row["N"], row["k"]) for row in found] == [
        ("selector", "5", "1"),
        ("key_value", "5", "2"),
    ]
    assert read("journal.csv") == found
    FactTable.random_bijections(5, 2, seed=0).to_tsv("facts.tsv")
    assert main(["facts", "facts.tsv", "-k", "1", "--csv", "facts.csv"]) == 0
    capsys.readouterr()
    (row,) = read("facts.csv")
    assert (row["verdict"], row["R"], row["facts"]) == ("PASS", "2", "given")
    assert list(row) == list(found[0])
    assert main(["journal", "j", "--csv", "j"]) == 2
    assert "j" in capsys.readouterr().err


def test_rows_from_python_are_those_of_the_command(tmp_path, capsys):
    path = tmp_path / "x.csv"
    budget = Budget(d_model=60)
    found = sweeps.plan_rows([16, 32, 64, 100], (2, 3), range(1, 3), budget)
    main(["plan", *SWEEP, "--max-d", "60", "--csv", str(path)])
    capsys.readouterr()
    assert as_csv(columns_of(sweeps.PlanRow), found) == path.read_text()
    (alone,) = sweeps.plan_rows(16, 2, only=["selector"])
    assert alone in sweeps.plan_rows(16, 2)
    changed = [replace(found[0], d_model=found[0].d_model + 1), *found[1:]]
    assert as_csv(columns_of(sweeps.PlanRow), changed) != path.read_text(), "the control"


@pytest.mark.long
def test_the_script_of_the_page_draws_what_it_has_read_back(tmp_path):
    pytest.importorskip("matplotlib")
    script = ROOT / "docs" / "sweeps.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("99 sizes, 297 rows\ndrawn: ")
    rows = read(tmp_path / "plans.csv")
    assert len({(row["N"], row["R"], row["k"], row["construction"]) for row in rows}) == 297
    assert (tmp_path / "dimension.svg").read_text().count('<g id="axes_') == 9
    draw = runpy.run_path(str(script))["figure_of"]
    first = [row for row in rows if (row["R"], row["k"]) == ("4", "1")]
    line = draw(rows).axes[0].lines[1]
    assert list(line.get_ydata()) == [
        float(row["d_model"]) for row in first if row["construction"] == line.get_label()
    ]


def test_pandas_takes_the_rows():
    pandas = pytest.importorskip("pandas")
    found = sweeps.plan_rows([16, 64], [2, 4], [1, 2], only=["key_value"])
    table = pandas.DataFrame(found)
    assert list(table.columns) == list(columns_of(sweeps.PlanRow))
    assert table.groupby("N").d_model.max().to_dict() == {16: 11, 64: 13}


def test_parquet_holds_the_rows_and_integers_of_any_size(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = sweeps.bound_rows(64, 2, 2) + sweeps.bound_rows(2**40, 16, 12, only=["precomputed"])
    path = tmp_path / "x.parquet"
    write_rows(path, columns_of(sweeps.BoundRow), rows)
    table = parquet.read_table(path).to_pydict()
    assert table["name"] == [row.name for row in rows]
    assert table["beside_bits"] == [row.beside_bits for row in rows]
    inside = [row.internal_bits for row in rows]  # floats, and integers beyond 64 bits
    assert table["internal_bits"] == [None if one is None else float(one) for one in inside]
    large = as_parquet(("a",), [{"a": 2**63}, {"a": None}])
    assert parquet.read_table(io.BytesIO(large)).to_pydict() == {"a": [str(2**63), None]}
    assert path.read_bytes() != as_parquet(columns_of(sweeps.BoundRow), rows[1:]), "the control"


def test_a_missing_pyarrow_is_said_before_the_work(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["plan", *SWEEP, "--csv", str(tmp_path / "x.parquet")]) == 2
    said = f"needs pyarrow: {installing('parquet')}; any other name gets CSV"
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["plan", "-N", "1:1000:1", "-R", "1:11:1", "-k", "1"],
            "at most 10,000 sizes (N, R, k); N has 1,000, R has 11, k has 1 values, which are 11,000",
        ),
        (["bound", "-N", "1:1000:1", "-R", "2,3"], "at most 1,000 sizes"),
        (["separation", "-R", "1:600:1", "-k", "1,2"], "at most 1,000 sizes"),
        (
            ["plan", "-N", "9", "-R", "2,2000"],
            "up to 1,000 relations and 64 hops; got 2,000 and 1",
        ),
        (["plan", "-N", "9", "-R", "2", "--only", "selectr"], "nothing is named 'selectr'; there"),
        (["plan", "-N", "9", "-R", "2", "--only", "global"], "nothing is named 'global'; there"),
        (
            ["bound", "-N", "9,10", "-R", "2", "--embedding-bits", "3"],
            "at one size; -N, -R and -k",
        ),
        (["bound", "-N", "9,10", "-R", "2", "--wrong-share", "0"], "--wrong-share is answered at"),
        (
            ["bound", "-N", "9", "-R", "2", "--embedding-bits", "3", "--csv", "x.csv"],
            "--embedding-bits asks for one point",
        ),
        (["plan", "-N", "9", "-R", "2", "--csv", "no/such/x.csv"], "existing folder"),
        (["plan", "-N", "9", "-R", "2", "--csv", "."], "cannot be written"),
        (["plan", "-N", "9", "-R", "2", "--csv", "a\x00b"], "cannot be written"),
        (["plan", "-N", "9", "-R", "2", "--csv", "x", "--json", "x"], "are both x"),
    ],
)
def test_bad_sweeps_are_refused_in_a_sentence(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_named_is_shown(capsys):
    assert main(["bound", "-N", "64", "-R", "2", "-k", "2", "--only", "global,hybrid"]) == 0
    printed = capsys.readouterr().out
    assert "hybrid q=1" in printed
    assert "shared leaves" not in printed
    assert "key_value" not in printed
    assert main(["bound", "-N", "64", "-R", "2", "-k", "2", "--only", "hybrid"]) == 0
    assert "B_T, the internal bits" not in capsys.readouterr().out
    assert main(["bound", "-N", "64", "-R", "2", "-k", "2", "--only", "global"]) == 0
    assert "the constructions" not in capsys.readouterr().out


def test_sizes_of_python_are_checked():
    with pytest.raises(
        InputError, match="N must be an integer from 1 to 1,099,511,627,776; got 0"
    ):
        sweeps.plan_rows([5, 0], 2)
    assert {row.construction for row in sweeps.plan_rows(5, 2)} == set(CATALOGUE)


def test_numbers_that_are_not_finite_are_no_numbers_in_files():
    rows = [{"a": float("inf"), "b": 1}, {"a": None, "b": float("nan")}]
    assert as_csv(("a", "b"), rows) == "a,b\n,1\n,\n"
    assert writing.as_data(rows) == [{"a": None, "b": 1}, {"a": None, "b": None}]
