"""Pictures: formats, styles and sizes, curves that end on 0, labels that do not meet."""

import itertools
import struct
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from meeting_texts import meeting
from tiers import LONG

from bounds.lower_bound import LowerBound
from bounds.theorem_4_2 import LOWER_BOUNDS, shared_leaves_bound
from constructions import CATALOGUE, InputError
from verify.__main__ import main
from verify.cli.reports import plane_picture, sweeps, sweeps_picture
from verify.cli.reports.pictures import FORMATS, Look, add_legend, check_picture, style_of
from verify.cli.reports.plane import plane

SIZES = [(16, 4, 2), (4096, 4, 3), (2**40, 16, 3)]
BEGINNINGS = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
SMALL = ["-N", "16", "-R", "2", "-k", "2"]


def drawn(shown, size=plane_picture.SIZE):
    """The whole picture of a plane, as it is written, with a renderer."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    plane_picture._fill(figure, shown, 20)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize(
    ("size", "inches"),
    [
        *((size, plane_picture.SIZE) for size in SIZES),
        *((size, (4.0, 3.0)) for size in SIZES[:2]),
        pytest.param(SIZES[2], (4.0, 3.0), marks=LONG),
        *(pytest.param(size, (12.0, 4.0), marks=LONG) for size in SIZES),
    ],
)
def test_no_label_meets_another(size, inches):
    figure = drawn(plane(*size), inches)
    assert meeting(figure) == []
    axes = figure.axes[0]
    figure.text(*figure.transFigure.inverted().transform(axes.title.get_window_extent().p0), "no")
    figure.draw_without_rendering()
    assert meeting(figure) == [(axes.get_title(), "no")], "the control"


@pytest.mark.parametrize("size", SIZES)
def test_points_without_bits_in_the_embedding_stand_side_by_side(size):
    shown = plane(*size)
    figure = drawn(shown)
    axes = figure.axes[0]
    assert len([one for one in axes.collections if isinstance(one, PathCollection)]) > 10
    places = []
    for one in axes.collections:
        for x, y in one.get_offsets():
            if x < 0:
                places.append(axes.transData.transform((x, y)))
    expected = [p.entry.name for p, _ in shown.points if not p.costs.embedding_fact_bits]
    assert len(places) == len(expected) > 4
    columns = {round(x, 3) for x, _ in places}  # one for each construction
    assert len(columns) == len(set(expected))
    apart = [abs(a - b) for a, b in itertools.combinations(columns, 2)]
    assert min(apart) > 5 * figure.dpi / 72, "a marker is about that wide"


@pytest.mark.parametrize("size", [*SIZES[:2], (4096, 16, 1)])
@pytest.mark.parametrize("name", LOWER_BOUNDS)
def test_a_curve_is_its_bound_and_ends_on_0_where_that_does(size, name):
    shown, bound = plane(*size, only=[name]), LOWER_BOUNDS[name]
    found = plane_picture.curve(bound, shown, 100)
    assert is_along(bound, size, found)
    if found:
        late = [*found[:-1], (found[-1][0] + 1.5, 0.0)]
        high = [*found[:-2], (found[-2][0], found[-2][1] + 0.01 * found[0][1]), found[-1]]
        assert not is_along(bound, size, late), "the controls"
        assert not is_along(bound, size, high)
        assert not is_along(bound, size, found[:-1])


def is_along(bound, size, found):
    """Whether a curve is on the straight lines between the whole B_e of a bound, and ends where it
    is 0.
    """
    if not found:
        at = bound.at(*size, 0, 0)
        return isinstance(at, str) or at.bits <= 0
    end, last = found[-1]
    before, after = (bound.at(*size, at, at).bits for at in (int(end), int(end) + 1))
    straight = all(
        abs(value - between(bound, size, at)) < 1e-3 * found[0][1]
        for at, value in [*found[:: len(found) // 9], found[-2]]
    )
    falls = all(a[1] >= b[1] for a, b in itertools.pairwise(found))
    return straight and falls and last == 0 and before > 0 >= after and found[0][0] == 0


def between(bound, size, at):
    """The bound at a B_e that need not be whole."""
    low = int(at)
    one, other = (bound.at(*size, b, b).bits for b in (low, low + 1))
    return one + (at - low) * (other - one)


def test_a_curve_that_ends_nowhere_goes_to_the_end_of_the_plane():
    def flat(n_entities, n_relations, hops, embedding_bits):
        return 10

    shown = plane(64, 2, 2)
    found = plane_picture.curve(LowerBound(flat), shown, 20)
    assert found[-1] == (shown.curves[-1][0], 10)
    assert plane_picture.curve(LowerBound(lambda *sizes: -1, name="none"), shown, 20) == []


def test_a_plane_is_drawn_into_axes_of_ones_own():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    shown = plane(64, 2, 2, only=["shared_leaves", "hybrid"])
    assert plane_picture.draw(shown, right) is right
    assert not left.lines
    labels = right.get_legend_handles_labels()[1]
    assert labels == ["shared leaves (ours)", r"$\log_2 (N!)^R$", "hybrid"]
    assert len(plane_picture.draw(plane(64, 2, 2)).lines) > len(right.lines), "the control"
    assert max(right.lines[0].get_ydata()) == pytest.approx(shared_leaves_bound(64, 2, 2, 0).bits)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        *((ending, ["bound", *SMALL, "--points", "10"]) for ending in FORMATS),
        (".png", ["bound", "-N", "16:64", "-R", "2", "-k", "2"]),
        (".pdf", ["plan", "-N", "16:64", "-R", "2", "-k", "1:2"]),
        (".svg", ["plan", *SMALL, "--figure", "bits"]),
        (".png", ["separation", "-R", "4", "-k", "3:4"]),
    ],
)
def test_a_picture_is_in_the_format_of_its_name(ending, words, tmp_path, capsys):
    path = tmp_path / f"x{ending.upper() if ending == '.pdf' else ending}"
    assert main([*words, "--plot", str(path), "--size", "4x3"]) == 0
    assert f"drawn: {path}" in capsys.readouterr().out
    assert path.read_bytes().startswith(BEGINNINGS[ending])
    if ending == ".png":
        assert struct.unpack(">II", path.read_bytes()[16:24]) == (600, 450)


@pytest.mark.parametrize("name", ["x", "x.", "x.jpg", "x.svg.gz", "svg", "x.eps", ".svg"])
def test_a_name_that_says_no_format_is_refused_and_nothing_is_written(name, tmp_path, capsys):
    for words in (["bound", *SMALL], ["plan", *SMALL], ["separation", "-R", "4", "-k", "3"]):
        assert main([*words, "--plot", str(tmp_path / name)]) == 2
        assert "an SVG, PNG or PDF; give a file name that ends in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_style_is_that_of_the_picture(tmp_path, capsys):
    style, plain, dark = (tmp_path / name for name in ("my.mplstyle", "a.svg", "b.svg"))
    style.write_text("axes.facecolor: 123456\nfont.size: 5\n")
    assert main(["bound", *SMALL, "--points", "10", "--plot", str(plain)]) == 0
    assert (
        main(["bound", *SMALL, "--points", "10", "--plot", str(dark), "--style", str(style)]) == 0
    )
    assert "#123456" in dark.read_text()
    assert "#123456" not in plain.read_text(), "the control"
    assert style_of(style)["font.size"] == 5.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is no file; give a style sheet"),
        ("axes.facecolor: nonsense colour\n", "is no style sheet of matplotlib: "),
        ("no.such.key: 3\n", "is no style sheet of matplotlib: "),
        ("\x00\x01", "is no style sheet of matplotlib: "),
        (b"\xff\xfe", "is no style sheet of matplotlib: "),
        ("text.usetex: True\n", "matplotlib cannot draw in this style"),
    ],
)
def test_a_bad_style_is_refused_in_a_sentence(text, message, tmp_path, capsys):
    style, path = tmp_path / "my.mplstyle", tmp_path / "x.svg"
    if text is not None:
        style.write_bytes(text if isinstance(text, bytes) else text.encode())
    words = ["bound", *SMALL, "--points", "10", "--plot", str(path), "--style", str(style)]
    status = main(words)
    printed = capsys.readouterr()
    if status == 0:  # where LaTeX is installed
        assert "usetex" in text
        return
    assert status == 2
    assert message in printed.err
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bound", *SMALL, "--size", "4x3"], "--size is of a picture; it needs --plot FILE.svg"),
        (["plan", *SMALL, "--style", "x"], "--style is of a picture; it needs --plot FILE.svg"),
        (["bound", *SMALL, "--points", "20"], "--points is of the curves of the plane"),
        (
            ["bound", "-N", "16,32", "-R", "2", "--points", "20", "--plot", "x.svg"],
            "--points is of the curves of the plane",
        ),
        (
            ["plan", "-N", "16", "-R", "1:10:1", "--plot", "x.svg"],
            "a panel for each R and k, at most 9; there are 10 R and 1 k",
        ),
        (["bound", "-N", "16", "-R", "1:4:1", "-k", "1:3", "--plot", "x.svg"], "at most 9"),
    ],
)
def test_options_of_pictures_that_do_not_fit_are_refused(
    words, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["4", "4x", "0x3", "4x3x2", "nanx3", "99x3", "ax b", ""])
def test_what_is_no_size_in_inches_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["bound", *SMALL, "--plot", "x.svg", f"--size={text}"])
    assert "is no width and height of 1 to 50 inches, such as 4x3" in capsys.readouterr().err


def lines_of(ax):
    """What is drawn, by label."""
    return {one.get_label(): list(zip(*one.get_data(), strict=True)) for one in ax.lines}


def test_figures_over_n_show_the_rows():
    rows = sweeps.plan_rows([16, 64, 256], 4, 1)
    found = lines_of(sweeps_picture.draw_dimension(rows))
    assert found["selector"] == [(16, 17), (64, 25), (256, 33)]
    assert found.pop("least $d$ at 1 bit a coordinate, facts in the embedding alone") == [
        (16, 16),
        (64, 24),
        (256, 32),
    ]
    assert set(found) == set(CATALOGUE)
    bits = lines_of(sweeps_picture.draw_bits(rows))
    for row in rows:
        assert (row.N, row.bits_a_fact) in bits[row.construction]
    with pytest.raises(InputError, match=r"one R and one k; got \(R, k\) = \(2, 1\), \(4, 1\)"):
        sweeps_picture.draw_bits(sweeps.plan_rows(16, [2, 4], 1))


def test_figures_of_ratios_and_separations_show_the_rows():
    rows = sweeps.bound_rows([256, 1024], 4, 2, only=["key_value_rows_shared", "hybrid"])
    found = lines_of(sweeps_picture.draw_ratio(rows))
    ratios = [(row.N, row.ratio) for row in rows if row.name == "key_value_rows_shared"]
    assert found["key_value_rows_shared"] == ratios
    assert found["the bound"] == [(256, 1), (1024, 1)]
    least = min(row.ratio for row in rows if row.name == "hybrid" and row.N == 256 and row.ratio)
    assert (256, least) in found["hybrid"]
    rows = sweeps.separation_rows([4, 16], [3], CATALOGUE["chain_of_thought"])
    found = lines_of(sweeps_picture.draw_separation(rows))
    assert found["R = 4, fixed unembeddings"] == [(3, 756)]
    assert found["R = 16, any unembedding, with rows as small"] == [(3, 53516)]


def test_a_construction_looks_the_same_in_every_panel():
    figure = Figure()
    panels = figure.subplots(1, 2)
    for ax, k in zip(panels, (1, 2), strict=True):
        sweeps_picture.draw_bits(sweeps.plan_rows([16, 64], 4, k), ax)
    looks = [
        {one.get_label(): (one.get_color(), one.get_marker()) for one in ax.lines} for ax in panels
    ]
    assert all(looks[0][name] == look for name, look in looks[1].items())
    assert len(set(looks[0].values())) == len(looks[0])
    add_legend(figure, panels)
    (legend,) = figure.legends
    assert [one.get_text() for one in legend.get_texts()] == list(looks[0])


def test_a_picture_that_is_not_asked_for_is_no_matter():
    check_picture(None)
    with pytest.raises(InputError, match="--style is of a picture"):
        check_picture(None, Look(style=Path("x")))
