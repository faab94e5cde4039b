"""A construction that a user defines in a file of his own is verified like one of the catalogue."""

import itertools
import json
import subprocess
import sys

import own_files
import pytest
from command_line import FAMILY, run
from own_files import TERNARY, own_file
from tiers import few

from constructions import CATALOGUE, Construction, FactTable, InputError, Option, construction
from verify import check_construction
from verify.__main__ import main
from verify.cells import grid
from verify.cells.cell import Cell
from verify.cells.verifying import run_cell


@pytest.fixture
def family(tmp_path):
    """A file of facts."""
    path = tmp_path / "family.tsv"
    path.write_text(FAMILY)
    return str(path)


def said(capsys):
    """What was printed, on both streams."""
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return captured.out + captured.err


@pytest.mark.parametrize("kind", few(["total", "partial"], "partial"))
def test_the_file_of_the_page_passes_in_a_folder_of_the_users(kind, tmp_path):
    """As another process, outside of the project."""
    done = run(TERNARY, "-N", "100", "-R", "4", "--facts", kind, "--wide", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "PASS: 1 cell planned, 1 passed, 0 failed, 0 unknown; 400 queries" in done.stdout
    assert list(tmp_path.iterdir()) == []
    row = done.stdout.split("\n")[1]
    assert row.startswith("own  ")
    assert " 21=21 " in row


@pytest.mark.long
def test_a_module_of_a_package_is_named_with_dots(tmp_path):
    package = tmp_path / "tables"
    package.mkdir()
    (package / "__init__.py").write_text("")
    own_file(package, "mine = right")
    done = run("tables.own:mine", "-N", "9", "-R", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    missing = run("tables.other:mine", "-N", "9", "-R", "2", cwd=tmp_path)
    assert missing.returncode == 2
    assert "there is no module 'tables.other' here; give path/file.py:name" in missing.stderr


def test_one_call_of_python_does_the_same(tmp_path):
    mine = construction(TERNARY)
    result = check_construction(mine, N=100, R=4)
    assert result.verdict == "PASS"
    assert (result.queries, result.wrong, result.margin) == (400, 0, 1)
    assert str(result).startswith("PASS: ternary_selector, N = 100, R = 4, k = 1\n")
    assert "sizes as counted and as the formulas say: d_model 21" in str(result)
    assert check_construction("selector", N=10, R=2).margin == 2
    assert check_construction(TERNARY, N=10, R=2, facts="partial").verdict == "PASS"
    wrong = construction(own_file(tmp_path, own_files.WRONG_ANSWERS))
    assert check_construction(wrong, N=10, R=2).verdict == "FAIL"


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 10, 28, 243])
def test_the_ternary_selector_is_as_its_page_says_at_the_edges_of_its_formulas(n):
    for r, kind in itertools.product((1, 2, 7), ("total", "partial")):
        result = run_cell(Cell(TERNARY, n, r, facts=kind))
        assert result.verdict == "PASS", str(result)
        assert result.margin == 1, (r, kind)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (own_files.WRONG_ANSWERS, "why FAIL: 3 wrong answers"),
        (own_files.TOO_MUCH_CLAIMED, "the smallest margin is 1.0, claimed is at least 2"),
        (own_files.OTHER_SIZES, "d_mlp = 1, the formula says 8"),
    ],
)
def test_what_is_not_as_it_says_fails(text, message, tmp_path, capsys):
    assert main([own_file(tmp_path, text), "-N", "3", "-R", "1"]) == 1
    printed = said(capsys)
    assert "FAIL: 1 cell planned, 0 passed, 1 failed" in printed
    assert message in printed


def test_without_formulas_sizes_are_counted_and_that_is_said(tmp_path, capsys):
    mine = own_file(tmp_path, own_files.WITHOUT_FORMULAS)
    path = tmp_path / "result.json"
    assert main([mine, "-N", "27", "-R", "2", "--wide", "--json", str(path)]) == 0
    assert "sizes are counted and compared with nothing: ternary_selector has no" in said(capsys)
    cell = json.loads(path.read_text())["cells"][0]
    assert (cell["d_model"], cell["d_model_formula"]) == (7, None)
    assert (cell["internal_fact_bits"], cell["internal_bits"]) == (168, 168)
    for words in (["plan"], ["bound"]):
        assert main([*words, "-N", "27", "-R", "2", "--with", mine]) == 2
        assert "ternary_selector has no size formulas" in said(capsys)


def test_a_form_field_is_decided_by_all_logits(capsys):
    """Of a state alone nothing is known of what tells such tokens apart."""
    for logits in ("fast", "both"):
        assert main([TERNARY, "-N", "9", "-R", "2", "--logits", logits]) == 1
        assert "of which no state alone tells the best; ask for full logits" in said(capsys)
    assert check_construction(TERNARY, N=9, R=2).recall.logits == "full"
    assert check_construction("selector", N=9, R=2).recall.logits == "both", "the control"


def test_options_of_a_users_own_are_options_of_the_command(tmp_path, capsys):
    mine = own_file(tmp_path, own_files.WITH_AN_OPTION)
    assert main([mine, "-N", "9", "-R", "2", "--spare", "2"]) == 0
    assert "padded e=2" in said(capsys)
    assert main([mine, "-N", "9", "-R", "2", "--spare", "4"]) == 1
    assert "why UNKNOWN: spare is at most 3; got 4" in said(capsys)
    with pytest.raises(SystemExit):
        main([mine, "--help"])
    assert "50% of nothing" in said(capsys)
    result = check_construction(mine, N=9, R=2, options={"spare": 3})
    assert dict(result.cell.options) == {"spare": 3}
    assert main(["plan", "-N", "9", "-R", "2", "--with", mine, "--all"]) == 0
    assert "padded e=0" in said(capsys)


def test_every_command_that_names_constructions_takes_it(tmp_path, family, capsys):
    words = ["-N", "1000", "-R", "4", "--with", TERNARY]
    for command in ("plan", "bound"):
        assert main([command, *words]) == 0
        assert "\nternary_selector " in said(capsys)
    assert main(["list", "--with", TERNARY]) == 0
    assert "ternary_selector         own " in said(capsys)
    assert main(["list", "--limits", "--with", TERNARY]) == 0
    assert "d_mlp / (R*log(2)/log(3) log2(N)) -> 1" in said(capsys)
    assert main(["list", "--markdown", "--with", TERNARY]) == 2
    said(capsys)
    assert main(["facts", family, "--construction", TERNARY, "--ask", "Alice wife"]) == 0
    assert "Alice wife -> Dora" in said(capsys)


@pytest.mark.long
def test_all_runs_a_grid_of_it_in_processes_of_their_own(monkeypatch, capsys):
    monkeypatch.setattr(grid, "CATALOGUE", {"selector": CATALOGUE["selector"]})
    for name, values in (("GRID_ENTITIES", (1, 5)), ("GRID_RELATIONS", (2,))):
        monkeypatch.setattr(grid, name, values)
    monkeypatch.setattr(grid, "FORM_NAMES", ("wide",))
    assert main(["all", "--with", TERNARY]) == 0
    printed = said(capsys)
    assert "PASS: 10 cells planned, 10 passed" in printed
    assert printed.count("\nternary_selector ") == 5


def test_the_default_grid_has_the_same_cells_of_it_as_of_the_selector():
    cells = grid.default_grid(TERNARY)
    mine, ours = (
        [
            (one.entities, one.relations, one.facts, one.form)
            for one in cells
            if one.construction == name
        ]
        for name in (TERNARY, "selector")
    )
    assert mine == ours
    assert len(cells) == len(grid.default_grid()) + len(mine)


# ------------------------------------------------------------------ what is refused


def test_a_builder_that_raises_is_shown_where_in_the_users_file(tmp_path, capsys):
    mine = own_file(tmp_path, own_files.RAISES)
    assert main([mine, "-N", "5", "-R", "2"]) == 1
    captured = capsys.readouterr()
    assert "why FAIL: crashed: the builder of unlucky: ZeroDivisionError: integer " in captured.out
    places = captured.err.splitlines()
    assert all(line.startswith(f"  {tmp_path}/own.py, line ") for line in places)
    assert places[-1].endswith("in inner: return 1 // (n - n)")
    assert len(places) == 2
    assert check_construction(construction(mine), N=5, R=2).verdict == "FAIL"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (own_files.RETURNS_NOTHING, "the builder forgetful has returned a NoneType; it must"),
        (own_files.UNDECORATED, "the builder of plain has returned a Plan; it must be decorated"),
    ],
)
def test_a_builder_that_makes_no_model_is_told_what_it_must_return(
    text, message, tmp_path, capsys
):
    assert main([own_file(tmp_path, text), "-N", "5", "-R", "2"]) == 1
    assert f"why UNKNOWN: {message}" in said(capsys)


@pytest.mark.parametrize("what", own_files.NO_CONSTRUCTION)
def test_what_is_no_construction_is_named(what, tmp_path, capsys):
    text, named = own_files.NO_CONSTRUCTION[what]
    mine = own_file(tmp_path, text)
    for words in ([mine], ["plan", "--with", mine], ["bound", "--with", mine]):
        assert main([*words, "-N", "5", "-R", "2"]) == 2
        printed = said(capsys)
        assert f"error: {mine} is {named}; a Construction " in printed
        assert "mine = Construction(builder, sizing=...)" in printed


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("no.py:mine", "no.py: there is no such file; give path/file.py:name"),
        ("folder.py:mine", "folder.py: is a folder; give path/file.py:name"),
        ("own.py:yours", "own.py defines no 'yours'; the last names in it are"),
        ("own.py:", "names nothing: give path/file.py:name or package.module:name"),
        ("own.py:a-b", "names nothing: give path/file.py:name or package.module:name"),
        (":mine", "names nothing: give path/file.py:name or package.module:name"),
        ("own.py", "own.py names a file, and not what in it: give own.py:NAME"),
        ("no_such_package:mine", "there is no module 'no_such_package' here"),
    ],
)
def test_what_is_not_there_is_refused(where, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    own_file(tmp_path, "mine = right")
    (tmp_path / "folder.py").mkdir()
    assert main([where, "-N", "5", "-R", "2"]) == 2
    assert message in said(capsys)


@pytest.mark.parametrize(
    ("text", "first", "place"),
    [
        ("mine = 1 +\n", "SyntaxError: invalid syntax", "line 9: mine = 1 +"),
        ("1 // 0", "ZeroDivisionError: integer", "line 9, in <module>: 1 // 0"),
        ("import sys; sys.exit(3)", "SystemExit: 3", "line 9, in <module>: import sys"),
        ("raise InputError('of his')", "InputError: of his", "line 9, in <module>: raise"),
        ("import nothing_such", "ModuleNotFoundError: No module named", "line 9, in <module>"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_why(text, first, place, tmp_path, capsys):
    mine = own_file(tmp_path, text)
    file = mine.removesuffix(":mine")
    assert main([mine, "-N", "5", "-R", "2"]) == 2
    printed = said(capsys)
    assert printed.startswith(f"error: {file} cannot be run: {first}")
    assert f"  {file}, {place}" in printed
    assert "verify/" not in printed


@pytest.mark.parametrize(
    "wrong", [{"by": "none"}, {"by": "x"}, {"dtype": "int8"}, {"facts": "all"}, {"by": None}]
)
def test_a_word_that_python_is_not_given_is_refused(wrong):
    """Any other word would be taken for a proof."""
    (name,) = wrong
    with pytest.raises(InputError, match=f"{name} must be one of "):
        check_construction("selector", N=3, R=2, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"name": 3}, {"needs": 3}, {"claim": b""}, {"missing": "no"}, {"fixed": 3}, {"options": 3}],
)
def test_an_attribute_of_another_type_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(InputError, match=f"{name} must be a "):
        Construction(construction(TERNARY).builder, **wrong)
    with pytest.raises(InputError, match="tables must be one of"):
        Construction(construction(TERNARY).builder, tables=[])


def test_a_file_without_the_name_says_what_it_has(tmp_path, capsys):
    for name, data, message in (
        ("empty.py", b"", "defines no 'mine'; it has no names"),
        ("other.py", b"a = 1\nb = 2\n", "defines no 'mine'; the last names in it are a, b"),
        ("long.py", b"mine = 10**5000\n", "is a int, an object of the type int; a Construction"),
        ("zero.py", b"mine = 1\0\n", "SyntaxError: source code string cannot contain null bytes"),
    ):
        (tmp_path / name).write_bytes(data)
        assert main([f"{tmp_path / name}:mine", "-N", "5", "-R", "2"]) == 2
        printed = said(capsys)
        assert message in printed
        assert "None" not in printed


def test_a_name_of_the_catalogue_is_taken(tmp_path, capsys):
    for text, named in (
        ("mine = replace(right, name='selector')", "is named 'selector'"),
        (
            "@recorded\ndef key_value(facts): pass\nmine = Construction(key_value, name='x')",
            "has a builder that is named 'key_value'",
        ),
    ):
        mine = own_file(tmp_path, text, f"{len(text)}.py")
        assert main([mine, "-N", "5", "-R", "2"]) == 2
        assert f"{mine} {named}, which is the catalogue's construction" in said(capsys)
    entry = Construction(CATALOGUE["selector"].constructor())
    with pytest.raises(InputError, match="your construction is named 'selector'"):
        check_construction(entry, N=5, R=2)
    assert main(["plan", "-N", "5", "-R", "2", "--with", TERNARY, "--with", TERNARY]) == 2
    assert "give each once" in said(capsys)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"builder": 5}, "builder must be a function"),
        ({"builder": lambda facts: None}, "a construction needs a name of letters"),
        ({"name": "two words"}, "a construction needs a name of letters"),
        ({"sizing": 7}, "sizing must be a function of the symbols"),
        (
            {"tables": "trees"},
            "tables must be one of bijections, functions, disjoint, sparse, or a",
        ),
        ({"options": ("q",)}, "options must be Options"),
        (
            {"options": (Option("n", "N", "", lambda R, k: 1, lambda R, k: [1]),)},
            "the option 'n' has the symbol 'N', and N, R, k, V,",
        ),
    ],
)
def test_an_attribute_of_another_kind_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Construction(**{"builder": construction(TERNARY).builder, **given})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (lambda n, r, seed: None, "tables must return a FactTable; got a NoneType"),
        (
            lambda n, r, seed: FactTable.rotations(n + 1, r),
            "asked for 5 entities and 2 relations, and made 6 and 2",
        ),
        (lambda n, r: None, "the tables of ternary_selector: TypeError: "),
    ],
)
def test_tables_of_a_users_own_are_checked(tables, message):
    build = construction(TERNARY).builder
    result = check_construction(Construction(build, tables=tables), N=5, R=2)
    assert result.verdict in ("UNKNOWN", "FAIL")
    assert message in result.reason


def test_tables_of_a_users_own_are_used():
    asked = []

    def tables(n, r, seed):
        asked.append((n, r, seed))
        return FactTable.rotations(n, r)

    whole = construction(TERNARY)
    mine = Construction(whole.builder, sizing=whole.sizing, tables=tables)
    assert check_construction(mine, N=5, R=2, seed=3).verdict == "PASS"
    assert check_construction(mine, N=50, R=2, facts="partial").verdict == "PASS"
    assert asked[0] == (5, 2, 3)
    some = mine.random_partial_facts(50, 2, 0, 0.25)
    assert 0 < (some.answers < 0).sum() < 50
    with pytest.raises(InputError, match="needs all facts; it takes no table with facts missing"):
        Construction(whole.builder, missing=False).random_partial_facts(5, 2, 0, 0.25)


def test_attributes_that_are_left_out_have_sensible_values():
    mine = construction(TERNARY)
    assert (mine.name, mine.theorem) == ("ternary_selector", "own")
    assert mine.claim.startswith("Embeddings stack the answers' ternary codes; one hidden")
    assert mine.tables == "bijections"
    assert Construction(mine.builder, tables=FactTable.random_functions).tables == "functions"


def test_no_file_is_run_but_the_one_that_is_named(tmp_path):
    """Listing, and the help of others, run nothing of a user's; his file writes no other."""
    (tmp_path / "own.py").write_text("raise SystemExit('run')\n")
    done = subprocess.run(
        [sys.executable, "-m", "verify", "list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]
