"""`verify learned`: small points, from the words to the exit status."""

import csv
import json
from dataclasses import replace

import pytest

from verify.__main__ import main
from verify.learned.experiments.known import EXPERIMENTS
from verify.learned.experiments.points import OneHop


@pytest.fixture
def small(monkeypatch):
    """Two dimensions of a small threshold, a second's work."""
    points = [OneHop(1, 8, 2, d, 8, steps=60, until=0.99) for d in (1, 6)]
    experiment = EXPERIMENTS["threshold"]
    monkeypatch.setitem(
        vars(experiment), "points", lambda full: [*points, *([points[0]] if full else [])]
    )


def test_an_experiment_is_run_shown_written_drawn_and_resumed(
    small, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words = ["learned", "threshold", "--seeds", "3-4", "--workers", "0", "--journal", "j"]
    assert main([*words, "--json", "a.json", "--plot", "a.svg"]) == 0
    printed = capsys.readouterr()
    assert "threshold: The capacity threshold in one world" in printed.out
    assert "2 of 2 points, seeds 3, 4, in" in printed.out
    assert "refuted by: " in printed.out  # these points have none of the sizes
    found = json.loads((tmp_path / "a.json").read_text())["experiments"]["threshold"]["found"]
    assert [len(one["right"]) for one in found] == [2, 2]
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    assert main([*words, "--json", "b.json"]) == 0
    assert "2 of 2 jobs are done" in capsys.readouterr().err
    again = json.loads((tmp_path / "b.json").read_text())["experiments"]["threshold"]["found"]
    assert again == found  # the seconds too: nothing was trained again
    assert main(["journal", "j"]) == 1  # trained models have no verdict
    assert "0 failed, 2 unknown, 0 lost, 0 left" in capsys.readouterr().out


def test_rows_hold_what_was_found_and_sizes_choose_points(small, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["learned", "threshold", "--seeds", "3-4", "--workers", "0", "-N", "8:16", "-R", "1:2"]
    assert main([*words, "--json", "a.json", "--csv", "a.csv"]) == 0
    assert "refuted" not in capsys.readouterr().out  # what was expected is of the whole protocol
    data = json.loads((tmp_path / "a.json").read_text())
    with open("a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [{k: "" if v is None else str(v) for k, v in row.items()} for row in data["rows"]]
    assert texts == rows
    found = data["experiments"]["threshold"]["found"]
    shares = [right / one["asked"] for one in found for right in one["right"]]
    assert [float(row["value"]) for row in rows if row["measure"] == "recall"] == shares
    assert {(row["N"], row["R"], row["k"]) for row in rows} == {("8", "2", "1")}
    assert [row["seed"] for row in rows if row["measure"] == "recall"] == ["3", "4"] * 2
    for sizes in (["-N", "9"], ["-R", "3"], ["-k", "2"]):
        assert main([*words[:6], *sizes]) == 2
        assert "no experiment has a point of these sizes; there are (N, R, k) = (8, 2, 1)" in (
            capsys.readouterr().err
        )


def test_what_was_found_before_an_interruption_is_written(small, tmp_path, monkeypatch, capsys):
    from verify.learned.experiments import training

    trained = []

    def once(*words, **options):
        if trained:
            raise KeyboardInterrupt
        trained.append(words)
        return fit(*words, **options)

    fit = training.fit
    monkeypatch.setattr(training, "fit", once)
    monkeypatch.chdir(tmp_path)
    words = ["learned", "threshold", "--seeds", "3", "--workers", "0"]
    assert main([*words, "--json", "a.json", "--plot", "a.svg"]) == 130
    printed = capsys.readouterr()
    assert "threshold: 1 of 2 points were not run" in printed.out
    assert "a.svg: not drawn" in printed.err
    found = json.loads((tmp_path / "a.json").read_text())["experiments"]["threshold"]
    assert (len(found["found"]), found["left"]) == (1, 1)


def test_a_point_of_two_experiments_is_trained_once(small, capsys):
    assert main(["learned", "threshold", "--full", "--seeds", "3", "--workers", "0"]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 points" in printed
    assert "met:" not in printed  # expectations are of the default size
    assert "refuted" not in printed


def test_points_that_are_lost_are_said_and_end_with_1(small, monkeypatch, capsys):
    def fails(*words, **options):
        raise MemoryError("too large")

    monkeypatch.setattr("verify.learned.experiments.training.fit", fails)
    assert main(["learned", "threshold", "--seeds", "3", "--workers", "0"]) == 1
    printed = capsys.readouterr().out
    assert "not known: " in printed
    assert "met: " not in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no experiment is called 'nothing'; there are threshold, worlds"),
        (["x" * 1000], "no experiment is called 'xxx"),
        (["--seeds", "9-3"], "'9-3' is no range of 1 to 100 seeds"),
        (["--seeds", "x"], "'x' is neither a seed nor a range such as 0-4"),
        (["--seeds", "1234567"], "is neither a seed nor a range"),
        (["--json", "no/such/folder.json"], "cannot be written"),
        (["--plot", "x.jpg"], "x.jpg: the picture is an SVG, PNG or PDF; give a file name"),
    ],
)
def test_bad_input_ends_with_2(words, said, capsys):
    try:
        status = main(["learned", *words])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "usage" in printed or max(map(len, printed.splitlines())) < 100


def test_a_graph_of_ones_own_is_memorised(tmp_path, monkeypatch, capsys):
    from verify.learned.experiments import geometry

    monkeypatch.chdir(tmp_path)
    small = [replace(one, d_model=8, d_mlp=8, steps=5) for one in geometry.MEMORIES[:2]]
    monkeypatch.setattr(geometry, "MEMORIES", small)
    (tmp_path / "edges.txt").write_text("a b\nb c\nc a\nc d\n")
    words = ["learned", "geometry", "--graph", "edges.txt", "--seeds", "3-4", "--workers", "0"]
    assert main([*words, "--json", "a.json"]) == 0
    printed = capsys.readouterr()
    assert "geometry: Geometric memory of a graph of 4 nodes and 4 edges" in printed.out
    assert "refuted by: " not in printed.out  # nothing was expected of it
    found = json.loads((tmp_path / "a.json").read_text())["experiments"]["geometry"]["found"]
    assert [one["asked"] for one in found] == [8, 8]


def test_a_graph_is_for_geometry_alone_and_must_be_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edges.txt").write_text("a b\nb\n")
    for words in (["learned"], ["learned", "threshold"], ["learned", "geometry", "threshold"]):
        assert main([*words, "--graph", "edges.txt"]) == 2
        assert "`geometry` alone" in capsys.readouterr().err
    assert main(["learned", "geometry", "--graph", "edges.txt"]) == 2
    assert "edges.txt:2: the names of two nodes are expected" in capsys.readouterr().err
