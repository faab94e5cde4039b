"""Bounds, plans and separations on the command line."""

import json
import subprocess
import sys

import pytest

from constructions import CATALOGUE
from verify.__main__ import main


def test_bounds_and_plans_do_not_import_torch(tmp_path):
    code = (
        "import sys; from verify.__main__ import main\n"
        "import bounds.capacity, bounds.counting\n"
        "assert main(['bound', '-N', '64', '-R', '2', '-k', '2']) == 0\n"
        "assert main(['plan', '-N', '64', '-R', '2', '-k', '2']) == 0\n"
        "assert main(['separation', '-R', '4', '-k', '3']) == 0\n"
        "assert main(['list']) == 0\n"
        "assert 'sympy' not in sys.modules, 'numbers need no symbols'\n"
        "assert main(['list', '--limits']) == 0\n"
        "assert not {'torch', 'matplotlib', 'rich'} & set(sys.modules), 'slow import'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_bound_prints_the_values_of_theorem_4_2(capsys):
    assert main(["bound", "-N", "4096", "-R", "4", "-k", "3", "--embedding-bits", "12"]) == 0
    printed = capsys.readouterr().out
    assert "80,550.140669" in printed  # 80550.1406698..., rounded down
    assert "disjoint trees          30,681.336919  at M = 48" in printed
    assert "fact-aware unembedding  43,283.065280  at M = 110" in printed
    assert "124,541.597182  at M = 195" in printed
    assert (
        main(
            [
                "bound",
                "-N",
                "4096",
                "-R",
                "4",
                "-k",
                "3",
                "--embedding-bits",
                "48",
                "--unembedding-bits",
                "12",
            ]
        )
        == 0
    )
    assert "39,179.065280  at M = 110, Q = 1,760, i = 2, j = 0" in capsys.readouterr().out


def test_bound_writes_the_plane_as_table_picture_and_data(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    picture, data = tmp_path / "plane.svg", tmp_path / "plane.json"
    arguments = [
        "bound",
        "-N",
        "1e3",
        "-R",
        "2",
        "-k",
        "2",
        "--plot",
        str(picture),
        "--json",
        str(data),
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "N = 1,000, R = 2, k = 2" in printed
    assert all(name in printed for name, entry in CATALOGUE.items() if entry.multi_hop)
    assert "hybrid q=2" in printed
    assert "<svg" in picture.read_text()
    assert json.loads(data.read_text())["N"] == 1000


def test_bounds_for_imperfect_recall_are_printed_and_written(tmp_path, capsys):
    data = tmp_path / "bounds.json"
    sizes = ["bound", "-N", "4096", "-R", "4", "-k", "3", "--wrong-share", "0.01"]
    assert main([*sizes, "--json", str(data)]) == 0
    printed = capsys.readouterr().out
    assert "a share 1/100 at most" in printed
    assert "0    127,772.4         158,690.9      126,929.5       127,757.5" in printed
    assert max(map(len, printed.splitlines())) < 100
    written = json.loads(data.read_text())
    assert (written["N"], written["wrong_share"], written["all_tensors"]) == (4096, "1/100", None)
    assert written["curves"][0]["bounds"][0]["bits"] == pytest.approx(127772.4189)
    assert main([*sizes, "--embedding-bits", "48"]) == 0
    assert "48   negative          negative      117,378.0" in capsys.readouterr().out


@pytest.mark.parametrize("share", ["2", "-0.1", "1/0", "most"])
def test_what_is_no_share_is_refused(share, capsys):
    with pytest.raises(SystemExit):
        main(["bound", "-N", "10", "-R", "2", f"--wrong-share={share}"])
    assert "is no share, a number from 0 to 1 such as 0.01" in capsys.readouterr().err


@pytest.mark.parametrize("share", ["1e-4000000", "1E-99999999999999999999", "1e-4301", "1e-9_999"])
def test_a_share_of_too_many_digits_is_refused_at_once(share, capsys):
    with pytest.raises(SystemExit):
        main(["bound", "-N", "10", "-R", "2", f"--wrong-share={share}"])
    assert "an exponent of 10 that is larger than 4,300" in capsys.readouterr().err
    assert main(["bound", "-N", "10", "-R", "2", "--wrong-share", "1e-4300"]) == 0  # the control
    assert main(["bound", "-N", "10", "-R", "2", "--wrong-share", "1e-002"]) == 0


def test_one_hop_says_what_all_tensors_need_and_no_tree_says_why(capsys):
    assert main(["bound", "-N", "64", "-R", "4", "--wrong-share", "1/20"]) == 0
    assert "all tensors together: at least 1,103.748063 bits" in capsys.readouterr().out
    assert main(["bound", "-N", "20", "-R", "4", "-k", "3", "--wrong-share", "0"]) == 0
    printed = capsys.readouterr().out
    assert "shared leaves: imperfect_shared_leaves_bound needs M I(k) <= N" in printed
    sizes = ["-N", "20", "-R", str(2**40), "-k", "5000", "--embedding-bits", "0"]
    assert main(["bound", *sizes, "--wrong-share", "0.1"]) == 0
    printed += capsys.readouterr().out
    assert "are too many queries to count" in printed  # the control: long reasons are there
    assert max(map(len, printed.splitlines())) < 100


@pytest.mark.parametrize(
    "arguments",
    [
        ["-N", str(2**40), "-R", str(2**40), "--embedding-bits", "0"],
        ["-N", "1000", "-R", "2", "--embedding-bits", "1" + 400 * "0"],
        ["-N", "1e12", "-R", "16", "-k", "16"],
        ["-N", "1e12", "-R", "16", "-k", "9", "--wrong-share", "0.2"],
    ],
)
def test_bounds_of_any_size_are_printed(arguments, capsys):
    assert main(["bound", *arguments]) == 0
    assert "shared leaves" in capsys.readouterr().out


def test_a_loop_of_links_is_no_place_for_a_file(tmp_path, capsys):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert main(["plan", "-N", "10", "-R", "2"]) == 0
    assert main(["bound", "-N", "10", "-R", "2", "--json", str(tmp_path / "loop" / "x.json")]) == 2
    assert "existing folder" in capsys.readouterr().err


def test_a_bound_whose_condition_cannot_be_met_says_so(capsys):
    assert main(["bound", "-N", "10", "-R", "4", "-k", "3"]) == 0
    printed = capsys.readouterr().out
    assert "shared leaves: shared_leaves_bound needs M I(k) <= N for some M >= 1" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bound", "-N", "10", "-R", "2", "--unembedding-bits", "3"], "needs --embedding-bits"),
        (
            ["bound", "-N", "10", "-R", "2", "--embedding-bits", "3", "--plot", "x.svg"],
            "asks for one point",
        ),
        (
            ["bound", "-N", "10", "-R", "2", "--wrong-share", "0.1", "--plot", "x.svg"],
            "--plot: the constructions that are drawn are of perfect recall",
        ),
        (["bound", "-N", "10", "-R", "2", "--plot", "no/such/folder.svg"], "existing folder"),
        (["bound", "-N", "10", "-R", "2000"], "up to 1,000 relations"),
        (["plan", "-N", "10", "-R", "2", "-k", "65"], "64 hops; got 2 and 65"),
        (["separation", "-R", "1", "-k", "3"], "nowhere separated"),
        (["separation", "-R", "4", "-k", "100000"], "64 hops; got 4 and 100,000"),
        (["bound", "-N", "10", "-R", "2", "--plot", "plane.jpg"], "ends in .svg, .png or .pdf"),
        (
            ["bound", "-N", "10", "-R", "2", "--plot", "x.svg", "--json", "x.svg"],
            "--json and --plot are both x.svg; each needs a name",
        ),
        (
            ["separation", "-R", "4", "-k", "2", "--hops-per-token", "2"],
            "hops_per_token = 2 writes its answer alone",
        ),
    ],
)
def test_bad_questions_about_bounds_are_reported(arguments, message, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_a_missing_matplotlib_is_reported(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["bound", "-N", "10", "-R", "2", "--plot", str(tmp_path / "x.svg")]) == 2
    assert "pip install" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_plan_exits_with_1_if_nothing_fits(capsys):
    assert main(["plan", "-N", "1e6", "-R", "50", "-k", "3", "--max-d", "100"]) == 0
    printed = capsys.readouterr().out
    assert (
        printed.index("key_value_rows_shared")
        < printed.index("does not fit")
        < printed.index("chain_of_thought")
    )
    assert (
        main(["plan", "-N", "1e6", "-R", "50", "-k", "3", "--max-d", "100", "--max-depth", "1"])
        == 1
    )
    assert capsys.readouterr().out.startswith("nothing fits")


def test_plan_holds_every_limit(capsys):
    limits = ["--max-d", "2000", "--max-bits", "1e15", "--max-depth", "1", "--max-tokens", "3"]
    assert main(["plan", "-N", "1e6", "-R", "50", "-k", "3", *limits, "--all"]) == 0
    rows = capsys.readouterr().out.split("does not fit")[0].splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["chain_of_thought"]


def test_separation_finds_the_smallest_table(capsys):
    assert main(["separation", "-R", "4", "-k", "3"]) == 0
    printed = capsys.readouterr().out
    assert "any unembedding: chain_of_thought is nowhere separated" in printed
    assert (
        "unembeddings that do not depend on the facts: separated first at N = 756: B_T = 15,210, B_e"
        " = 65" in printed
    )
    assert main(["separation", "-R", "16", "-k", "3"]) == 0
    assert (
        "any unembedding: separated first at N = 53,516: B_T = 400,062, B_e = 299, B_u = 1,794"
        in capsys.readouterr().out
    )
