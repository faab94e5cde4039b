"""`plan --plot --trained`: the dimensions of trained models, as `compare --csv` has written them."""

import csv
from pathlib import Path

import pytest
from matplotlib.container import ErrorbarContainer

from constructions import InputError
from verify.__main__ import main
from verify.cli.reports.compared_files import COLUMNS as WRITTEN
from verify.cli.reports.sweeps import plan_rows
from verify.cli.reports.sweeps_picture import draw_dimension
from verify.cli.reports.trained_rows import COLUMNS, TrainedModels, read_trained

MEASURED = Path(__file__).parents[2] / "docs" / "rivals"
ROW = {
    "N": 64,
    "R": 4,
    "k": 1,
    "answers": "shared",
    "noise_tokens": 0,
    "seed": 100,
    "memory": "trained one-layer",
    "embeddings": "trained",
    "percent": 100,
    "dimension": 5,
}


def written(path, *changes):
    """A file of rows, each with some values of its own."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(ROW | change for change in changes)
    return path


def bars(axes):
    """(N, middle, least, greatest) of all trained models that are drawn, by label."""
    found = {}
    for one in axes.containers:
        if isinstance(one, ErrorbarContainer):
            line, _, (spread,) = one.lines
            segments = spread.get_segments()
            points = zip(*line.get_data(), segments, strict=True)
            found[one.get_label()] = [(n, y, bar[0][1], bar[1][1]) for n, y, bar in points]
    return found


def test_columns_that_are_read_are_those_that_compare_writes():
    assert set(COLUMNS) <= set(WRITTEN)


def test_what_was_measured_is_drawn_with_its_spread():
    """Of the files of docs/rivals.md, counted here by hand, in the panel of their R and k."""
    found = read_trained([MEASURED / "64-4.csv", MEASURED / "256-8.csv"])
    name = "trained one-layer"
    assert found == [
        TrainedModels(64, 4, 1, name, (5,) * 5, 5),
        TrainedModels(256, 8, 1, name, (14, 13, 14, 13, 13), 5),
    ]
    label = f"{name}, median and range of seeds"
    for relations, bar in ((4, (64, 5, 5, 5)), (8, (256, 13, 13, 14))):
        rows = plan_rows([16, 64], relations)
        assert bars(draw_dimension(rows, trained=found)) == {label: [bar]}
        assert bars(draw_dimension(rows)) == {}, "the control"
    assert bars(draw_dimension(plan_rows([16, 64], 5), trained=found)) == {}


def test_other_rows_are_no_trained_models(tmp_path):
    """The control is a row like them that is one."""
    others = [
        {"percent": 99, "dimension": 4},
        {"embeddings": "given", "dimension": 3},
        {"answers": "disjoint", "dimension": 2},
        {"noise_tokens": 2, "dimension": 9},
    ]
    path = written(tmp_path / "a.csv", *others, {})
    assert [one.dimensions for one in read_trained([path])] == [(5,)]
    written(path, *others)
    with pytest.raises(InputError, match="no row of a trained model"):
        read_trained([path])


def test_a_seed_at_which_no_dimension_suffices_is_said(tmp_path):
    path = written(tmp_path / "a.csv", {}, {"seed": 101, "dimension": ""}, {"seed": 102})
    (found,) = read_trained([path, path])
    assert (found.dimensions, found.seeds) == ((5, 5), 3)
    drawn = bars(draw_dimension(plan_rows([64], 4), trained=[found]))
    assert list(drawn) == ["trained one-layer, median and range of seeds, 1 of 3 found none"]


def test_rows_that_contradict_each_other_are_refused(tmp_path):
    one = written(tmp_path / "a.csv", {})
    other = written(tmp_path / "b.csv", {"dimension": 6})
    with pytest.raises(InputError, match=r"b.csv:2: says dimension 6 of seed 100, and .* 5"):
        read_trained([one, other])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no column 'N'"),
        ("N,R\n1,2\n", "has no column 'k'"),
        (b"\xff\xfe", "cannot be read"),
        (",".join(COLUMNS) + "\n64,4,1,x,100,0,shared,m,trained,5\n", "seed is 'x'"),
        (",".join(COLUMNS) + "\n64,4,1,1,100,0,shared,m,trained,-5\n", "dimension is '-5'"),
        (",".join(COLUMNS) + "\n64,4\n", "k is ''"),
        (",".join(COLUMNS) + '\n"64,4\n', "cannot be read"),
    ],
)
def test_what_compare_has_not_written_is_refused_in_a_line(content, message, tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    words = ["plan", "-N", "64", "-R", "4", "--plot", str(tmp_path / "x.svg")]
    assert main([*words, "--trained", str(path)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "x.svg").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-N", "64", "-R", "4"], "--trained is of the picture of dimensions"),
        (["-N", "64", "-R", "4", "--plot", "x.svg", "--figure", "bits"], "and no --figure"),
        (["-N", "64", "-R", "5", "--plot", "x.svg"], "(R, k) = (4, 1); the picture has no panel"),
        (["a.tsv"], "--trained is of a plan without a table"),
    ],
)
def test_trained_models_without_a_place_are_refused(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a.csv", {})
    assert main(["plan", *words, "--trained", "a.csv"]) == 2
    assert message in capsys.readouterr().err
    for path in ("none.csv", ".", "a\0.csv"):
        assert main(["plan", "-N", "4", "-R", "4", "--plot", "x.svg", "--trained", path]) == 2
        assert "cannot be read" in capsys.readouterr().err
