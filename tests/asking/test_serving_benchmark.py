"""`benchmarks/serving.py` runs, and notices an answer that is wrong."""

import sys

import pytest
from own_files import ROOT

from constructions import FactTable


@pytest.fixture(scope="module")
def program():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import serving
    finally:
        sys.path.pop(0)
    return serving


def test_questions_a_second_are_printed_for_every_server(program, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["serving.py", "--small", "--repeat", "2"])
    program.main()
    printed = capsys.readouterr().out.splitlines()
    assert "800 facts" in printed[0]
    rows = [line.split() for line in printed[2:] if not line.startswith("ONNX")]
    assert [row[:2] for row in rows if "ONNX" not in row] == [
        *[["1", "sqlite,"]] * 2,
        ["1", "selector,"],
        *[["2", "sqlite,"]] * 2,
        ["2", "key_value_rows,"],
        ["2", "chain_of_thought,"],
    ]
    assert max(map(len, printed[1:])) < 100


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_sqlite_looks_up_what_the_table_has(hops, program):
    facts = FactTable.random_functions(30, 3, 1)
    texts, wanted = program.questions(facts, hops, 500)
    servers = program.sqlite(facts, hops)
    assert len(servers) == 2
    assert all(ask(texts) == wanted for ask in servers.values())
    other = FactTable.random_functions(30, 3, 2)
    others = program.sqlite(other, hops)
    assert all(ask(texts) != wanted for ask in others.values()), "the control"


def test_a_server_that_is_wrong_is_refused(program):
    with pytest.raises(SystemExit, match="FAIL: it answers otherwise"):
        program.speeds({"it": (lambda texts: texts, 2)}, ["a", "b"], ["a", "c"], 1)
