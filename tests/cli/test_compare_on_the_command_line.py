"""`verify compare`: small works, from the words to the exit status."""

import csv
import json
from dataclasses import replace

import pytest

from verify.__main__ import main
from verify.cli.reports import compared as report
from verify.rivals import all as every
from verify.rivals import searches, trained
from verify.rivals.all import ALL
from verify.rivals.compared import compared
from verify.rivals.limit import LEVELS
from verify.rivals.scored import Level, Scored
from verify.rivals.work import Work

SMALL = ["compare", "-N", "8", "-R", "2", "--seeds", "3-4"]
NAMES = list(ALL)[:2]


@pytest.fixture
def few(monkeypatch):
    """Two constructions alone, one of which is said to lack something for three relations."""
    first, second = (ALL[name] for name in NAMES)
    lacking = replace(second, lacks=lambda work: "R is 3" if work.n_relations == 3 else "")
    for module in (every, searches):
        monkeypatch.setattr(module, "ALL", {first.name: first, second.name: lacking})
    return first, second


def test_memories_are_compared_shown_written_drawn_and_resumed(few, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [*SMALL, "-R", "2,3", "--workers", "0", "--journal", "j"]
    assert main([*words, "--json", "a.json", "--csv", "a.csv", "--plot", "a.svg"]) == 0
    printed = capsys.readouterr().out
    assert "N = 8, R = 3, k = 1: 24 facts, shared answers; seeds 3, 4" in printed
    assert f"{NAMES[1]}: R is 3" in printed
    assert "6 of 6 searches, in" in printed
    assert "0 of 12 measured levels lie below the information limit" in printed
    assert max(map(len, printed.splitlines())) < 100
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    assert main([*words, "--json", "b.json"]) == 0
    assert "6 of 6 jobs are done" in capsys.readouterr().err
    found, again = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert found == again  # the seconds too: nothing was built again
    assert [one["lacks"] for one in found["works"][1]["memories"]] == ["", "R is 3"]


def test_the_table_and_the_csv_say_what_the_json_says(few, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*SMALL, "--workers", "0", "--json", "a.json", "--csv", "a.csv"]) == 0
    printed = capsys.readouterr().out.splitlines()
    (work,) = json.loads((tmp_path / "a.json").read_text())["works"]
    with open(tmp_path / "a.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(NAMES) * 2 * len(LEVELS)
    in_json = json.loads((tmp_path / "a.json").read_text())["rows"]
    assert [row["bits"] for row in rows] == [str(row["bits"]) for row in in_json]
    for memory in work["memories"]:
        first = memory["found"][0]["levels"][0]
        bits = sum(one["levels"][0]["bits"] for one in memory["found"]) / 2
        (line,) = [one.split() for one in printed if one.startswith(f"{memory['name']} ")]
        assert line[1:4] == ["100", str(first["dimension"]), str(first["width"])]
        assert line[4:6] == [report.short(first[name]) for name in ("stored", "inside")]
        assert line[8] == f"{bits / 16:.2f}"
        for one in memory["found"]:
            for level in one["levels"]:
                (row,) = [
                    row
                    for row in rows
                    if (row["memory"], row["seed"], row["percent"])
                    == (memory["name"], str(one["work"]["seed"]), str(level["percent"]))
                ]
                for name in ("limit", "size", "right", "margin", "stored", "given", "bits"):
                    assert float(row[name]) == level[name]
    assert work["limit"]["100"] == pytest.approx(2 * 15.2992, abs=1e-3)
    limit = f"{work['limit']['100'] / 16:.3f} for 100 %"
    assert any(line.startswith(f"information limit, bits a fact: {limit}") for line in printed)


@pytest.mark.long
def test_results_depend_on_neither_workers_nor_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = []
    for number, how in enumerate((["--workers", "0"], ["--workers", "2", "--order", "longest"])):
        names = NAMES if not number else NAMES[::-1]
        assert main([*SMALL, *how, "--json", "a.json", *names]) == 0
        (work,) = json.loads((tmp_path / "a.json").read_text())["works"]
        memories = sorted(work["memories"], key=lambda one: one["name"])
        for memory in memories:
            for one in memory["found"]:
                del one["seconds"]
        found.append(memories)
    assert found[0] == found[1]


def test_a_memory_below_the_limit_is_an_error(few, monkeypatch, capsys):
    from verify.rivals import scored

    monkeypatch.setattr(scored, "limit", lambda work, level: 1e9)
    assert main([*SMALL, "--workers", "0", NAMES[0]]) == 1
    printed = capsys.readouterr().out
    assert f"ERROR: below the information limit: {NAMES[0]}, seed 3, 100 %:" in printed
    assert "6 of 6 measured levels lie below the information limit" in printed


def test_a_build_that_fails_is_lost_and_the_others_stand(few, monkeypatch, capsys):
    def fails(work, size):
        raise MemoryError("too large")

    broken = replace(few[0], build=fails)
    for module in (every, searches):
        monkeypatch.setattr(module, "ALL", {few[0].name: broken, few[1].name: few[1]})
    assert main([*SMALL, "--workers", "0"]) == 1
    printed = capsys.readouterr().out
    assert f"{NAMES[0]}, seed 4: lost: out of memory: too large" in printed
    assert "6 measured levels" in printed


def test_what_was_not_run_is_said_after_an_interruption(few, monkeypatch, capsys):
    done = []

    def once(memory, work):
        if done:
            raise KeyboardInterrupt
        done.append(work)
        return score(memory, work)

    score = searches.score
    monkeypatch.setattr(searches, "score", once)
    assert main([*SMALL, "--workers", "0"]) == 130
    printed = capsys.readouterr()
    assert "1 of 4 searches" in printed.out
    assert "not run" in printed.out
    assert "interrupted" in printed.err


def test_sizes_that_do_not_suffice_are_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(trained, "STEPS", 0)
    small = replace(trained.ONE_LAYER, sizes=lambda work: (1, 1))
    monkeypatch.setattr(searches, "ALL", {small.name: small})
    monkeypatch.setattr(every, "ALL", {small.name: small})
    assert main([*SMALL, "--workers", "0", "--csv", str(tmp_path / "a.csv")]) == 0
    printed = capsys.readouterr().out
    assert f"{small.name}: not reached up to size 1, where at most " in printed
    assert "100 %: 2, 99 %: 2, 90 %: 2 of 2 seeds" in " ".join(printed.split())
    assert "none" in printed
    with open(tmp_path / "a.csv") as file:
        assert all(row["bits"] == "" for row in csv.DictReader(file))


def test_recall_that_is_not_monotone_is_said():
    work = Work(8, 2)
    levels = tuple(Level(one, 1.0, 5, (6, 7) if one < 100 else (), bits=9) for one in LEVELS)
    found = Scored("memory", work, 16, levels, ((5, 16), (6, 3)), (0.1, 0.1, 0.1))
    memory = replace(trained.ONE_LAYER, name="memory")
    printed = "\n".join(report.lines(compared(work, [100, 101], [memory], [found])))
    assert "memory: recall was not monotone in the size: 99 %: 1, 90 %: 1 of 1" in printed
    assert "16 bits a number are too few, and none is rounded: 100 %: 1" in printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no memory is called 'nothing'; there are"),
        (["-N", "0"], "'0' is not an integer from 1 to 2^40"),
        (["-N", "4,x"], "'x' is not an integer from 1 to 2^40"),
        (["-N", "1:101:1"], "at most 100 sizes (N, R, k); N has 101, R has 1, k has 1 values"),
        (["--answers", "disjoint", "-R", "9"], "9 disjoint sets of answers need as many entities"),
        (["--answers", "disjoint", "-k", "2"], "no information limit is known"),
        (["-k", "2", "--noise-tokens", "3"], "prompts with noise tokens ask for one hop"),
        (["-k", "2e9"], "-k is 2,000,000,000, and models are built for up to 2,048"),
        (["-k", "2000"], "queries, and at most 1,000,000,000 are run one by one"),
        (["--seeds", "9-3"], "'9-3' is no range of 1 to 100 seeds"),
        (["--csv", "no/such/folder.csv"], "cannot be written"),
        (["--json", "x", "--csv", "x"], "x"),
        (["--plot", "x.jpg"], "x.jpg: the picture is an SVG, PNG or PDF; give a file name"),
    ],
)
def test_bad_input_ends_with_2(words, said, capsys):
    try:
        status = main([*SMALL, *words])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "usage" in printed or max(map(len, printed.splitlines())) < 100
