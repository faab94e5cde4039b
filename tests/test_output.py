"""What is printed cannot be forged: no name, path or value begins a line, steers a terminal, or
reads as a verdict.

Hostile names are drawn anew in each run, and stand in the message of a test that fails.
"""

import ast
import json
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructions import FactTable, InputError, chain_of_thought, save, selector
from constructions.guards.errors import FactFileError
from constructions.guards.wording import joined
from verify.__main__ import main
from verify.attacking.attack import Tally
from verify.attacking.target import Target
from verify.cells.cell import Cell
from verify.cells.results import CellResult
from verify.cli.output import (
    COLOURS,
    NO_VERDICT,
    VERDICTS,
    say,
    say_row,
    say_text,
    say_verdict,
)
from verify.cli.reports.cells import line, notes
from verify.cli.reports.checks import attack_table
from verify.queries.answers import Recall

ROOT = Path(__file__).parent.parent
PRODUCT = sorted(
    path for part in ("constructions", "bounds", "verify") for path in (ROOT / part).rglob("*.py")
)

FORGED = "PASS: all 10 queries are answered right, by both checkers"
ESCAPES = [
    "\x1b[2K\x1b[1A",
    "\x1b]0;title\x07",
    "\r",
    "\n",
    "\x0b",
    "\x85",
    "\u2028",
    "\u2029",
    "\x00",
    "\x7f",
]
INVISIBLE = ["\u202e", "\u2066", "\u200b", "\u00ad", "\ufe0f", "\u00a0", "\u2003", "\U000e0041"]
PIECES = [
    FORGED,
    "FAIL",
    "UNKNOWN: ",
    "PASS",
    "[red]",
    "[/]",
    "{0}",
    "%s",
    "\\n",
    "'",
    '"',
    " -> ",
    "error: ",
    "e",
    "-x",
]


def hostile(pieces, draw):
    """A text of such pieces, that neither begins nor ends with white space."""
    text = "".join(draw.choices([*pieces, "a"], k=draw.randint(1, 4))).strip()
    return text if text and not text.startswith("#") else f"a{text}"


def name(draw):
    """A name that a table may have: no control character, but anything else."""
    return hostile(PIECES + INVISIBLE, draw)


def any_text(draw):
    """A text that may hold anything."""
    return hostile(PIECES + INVISIBLE + ESCAPES, draw)


def table_of(draw):
    """Facts with hostile names, each name once; of a tail of its own for those that look alike."""
    entities = list(dict.fromkeys([FORGED, *(name(draw) for _ in range(6))]))
    relations = list(dict.fromkeys(name(draw) for _ in range(2)))
    return [
        (s, r, draw.choice(entities))
        for s in entities
        for r in relations
        if draw.random() < 0.9 or s == FORGED
    ]


def status(words):
    try:
        return main(words)
    except SystemExit as left:
        return left.code


def verdicts(text):
    return [shown for shown in text.split("\n") if shown.lstrip().startswith(VERDICTS)]


def require_unforged(captured, expected, context):
    """Printable characters and line ends alone, and as many verdicts as the program meant to
    print.
    """
    for text in captured:
        assert all(c.isprintable() or c == "\n" for c in text), (context, text)
        assert "Traceback" not in text, (context, text)
    assert len(verdicts(captured.out)) == expected, (context, captured.out)
    assert verdicts(captured.err) == [], (context, captured.err)


@pytest.mark.parametrize("round_", range(2))
def test_no_command_prints_a_verdict_or_an_escape_of_a_hostile_table(round_, tmp_path, capsys):
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    folder = tmp_path / f"{FORGED[:20]}\n{draw.choice(ESCAPES[:3])}".replace("/", "")
    folder.mkdir()
    file, model = str(folder / "PASS\n\x1b[31m.tsv"), str(folder / "PASS: \n\x1b[1mmodel")
    triples = table_of(draw)
    FactTable.from_triples(triples).to_tsv(file)
    questions = [f"--ask={s}\t{r}" for s, r, _ in triples[:8]]
    context = (seed, triples)
    assert (
        main(
            ["facts", file, *questions, "--save", model, "--json", str(folder / "reported\n.json")]
        )
        == 0
    )
    captured = capsys.readouterr()
    require_unforged(captured, 1, context)
    assert NO_VERDICT + FORGED in captured.out, "the control: a question begins with such a name"
    reported = json.loads((folder / "reported\n.json").read_text())
    assert [(a["subject"], a["path"]) for a in reported["answers"]] == [
        (s, [r]) for s, r, _ in triples[:8]
    ]
    assert main(["check", model]) == 0
    require_unforged(capsys.readouterr(), 1, context)
    assert main(["attack", model, "-n", "2"]) == 0
    require_unforged(capsys.readouterr(), 1, context)
    for words in (
        [
            "facts",
            file,
            f"--ask={any_text(draw)}\t{any_text(draw)}",
            "--ask",
            any_text(draw),
            any_text(draw),
        ],
        ["facts", file + any_text(draw).replace("/", "")],
        ["facts", file, "--save", str(folder / any_text(draw).replace("/", "") / "no" / "model")],
        ["facts", file, "--json", str(folder / any_text(draw).replace("/", "") / "no")],
        ["check", str(folder / any_text(draw).replace("/", "") / "none")],
        ["attack", file],
        ["attack", model, "--kind", any_text(draw)],
        ["export", file, "--to", "onnx", str(folder / "out")],
    ):
        assert status(words) == 2, (context, words)
        captured = capsys.readouterr()
        require_unforged(captured, 0, (context, words))
        assert "error: " in captured.err, (context, words)


@pytest.mark.parametrize("round_", range(4))
def test_defects_of_a_hostile_file_and_of_hostile_words_are_reported_in_lines_of_their_own(
    round_, tmp_path, capsys
):
    seed = random.randrange(2**32)
    draw = random.Random(seed)
    file = tmp_path / "PASS: \n.tsv"
    lines = ["\t".join(any_text(draw) for _ in range(draw.randint(1, 4))) for _ in range(12)]
    same = [f"{FORGED}\tr\t{other}" for other in ("x", FORGED)]
    file.write_bytes("\n".join([*lines, *same]).encode())
    assert main(["facts", str(file)]) == 2
    captured = capsys.readouterr()
    require_unforged(captured, 0, (seed, lines))
    defects = captured.err.split("\n")
    assert len(defects) > 1
    for words in (
        ["facts", "x", f"--{any_text(draw)}"],
        [any_text(draw)],
        ["plan", "-N", any_text(draw)],
    ):
        assert status(words) == 2, (seed, words)
        captured = capsys.readouterr()
        require_unforged(captured, 0, (seed, words))


def test_a_claim_whose_words_are_a_verdict_forges_none(tmp_path, capsys):
    folder = tmp_path / "model"
    save(chain_of_thought(FactTable([[1, 0], [0, 0]], ["a", "b"], ["r", "q"]), 2), folder)
    target, forged = Target(folder), "\nPASS: all 10 queries are answered right\x1b[8m"
    text = target.files["certificate.json"].decode()
    for word in ("task", "hops_per_token", "blocks", "bits", "keeps", "step"):
        changed = text.replace(json.dumps(word), json.dumps(forged), 1)
        for file, data in target.with_files({"certificate.json": changed.encode()}).items():
            (folder / file).write_bytes(data)
        assert main(["check", str(folder)]) == 1
        require_unforged(capsys.readouterr(), 1, word)


# ------------------------------------------------------------------ the parts


@given(st.text(st.characters(codec=None)))
def test_an_input_error_is_one_printable_line(text):
    assert str(InputError(text)).isprintable() or text == ""
    assert str(InputError(f"{text}\n{text}")).splitlines() == [str(InputError(f"{text}\n{text}"))]
    assert FactFileError([text, text]).defects == [str(InputError(text))] * 2
    assert str(FactFileError([text, text], 3)).split("\n")[2:] == ["... and 1 more"]


@given(st.lists(st.text(st.characters(codec=None))))
def test_joined_lines_stay_as_many(lines):
    assert (
        joined(lines).split("\n") == [str(InputError(reported)) for reported in lines] or not lines
    )


@pytest.mark.parametrize("word", VERDICTS)
def test_only_a_verdict_is_said_as_one(word, capsys):
    say(f"{word}: it is")
    say(f"\u00a0 {word}: it is")
    say_verdict(f"{word}: it is\n{word}")
    assert capsys.readouterr().out.split("\n")[:3] == [
        f"{NO_VERDICT}{word}: it is",
        f"\\xa0 {word}: it is",
        f"{word}: it is\\n{word}",
    ]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_has_its_colour_on_a_terminal_alone(verdict, monkeypatch, capsys):
    """Whatever else a line holds is as printable as without colour."""
    forged, reported = "\x1b[8mPASS", f"{verdict}: it is"
    coloured = f"\x1b[{COLOURS[verdict]}m{verdict}\x1b[0m"

    def printed():
        say_verdict(f"{reported} {forged}")
        say_row(f"a {forged} row {verdict} 1.0", verdict)
        return capsys.readouterr().out.split("\n")[:2]

    plain = [f"{reported} \\x1b[8mPASS", f"a \\x1b[8mPASS row {verdict} 1.0"]
    assert printed() == plain
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert printed() == [
        f"{coloured}: it is \\x1b[8mPASS",
        f"a \\x1b[8mPASS row {coloured} 1.0",
    ]
    monkeypatch.setenv("NO_COLOR", "1")
    assert printed() == plain
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert printed() == plain


def test_a_row_that_begins_as_a_verdict_is_marked(capsys):
    say_row("PASS: forged PASS 1.0", "PASS")
    assert capsys.readouterr().out == f"{NO_VERDICT}PASS: forged PASS 1.0\n"


def test_reasons_and_counterexamples_of_a_cell_stay_in_their_lines(capsys):
    forged = "e0\nPASS: 1 cell planned, 1 passed\x1b[8m"
    recall = Recall(1, 1, wrong=1, margin=1.0, defect=forged, counterexamples=[forged, forged])
    result = CellResult(Cell("selector", 3, 1), "float32", recall=recall)
    for wide in (False, True):
        reported = [*line(result, wide).split("\n"), *notes(result).split("\n")]
        assert [len(reported), verdicts("\n".join(reported[2:]))] == [4, []]
        say_row(line(result, wide), result.verdict)
    say_text(notes(result))
    assert NO_VERDICT not in capsys.readouterr().out, "the program's own lines are not marked"
    assert len(attack_table([Tally("flips", generated=2, fooled=[forged])]).split("\n")) == 4


def test_counterexamples_name_hostile_entities_in_printable_characters():
    from verify.queries.recall import check_recall

    facts = FactTable([[1, 0]], ["a\u202eb", "c"], ["\u200b"])
    model = selector(facts)
    other = FactTable([[0, 1]], facts.entity_names, facts.relation_names)
    found = check_recall(model, other, logits="full").counterexamples
    assert len(found) == 2
    assert all(reported.isprintable() for reported in found)


def test_nothing_is_printed_but_through_output():
    """Raw printing in product code: `print`, `.write` to a standard stream, a traceback."""
    raw = []
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in (
                    "print",
                    "traceback.print_exc",
                    "sys.stdout.write",
                    "sys.stderr.write",
                ):
                    raw.append(f"{path.relative_to(ROOT)}: {called}")
    assert sorted(set(raw)) == ["verify/__main__.py: print", "verify/cli/output.py: print"]


def test_lines_are_joined_only_where_each_is_made_printable():
    """By `constructions.guards.wording.joined`."""
    reported = [
        path.name
        for path in (ROOT / "verify").rglob("*.py")
        if '"\\n".join(' in path.read_text().replace("'", '"')
    ]
    assert reported == []
    assert joined(["a\nb", "c\x1b"]) == "a\\nb\nc\\x1b"
