"""The report of a run in a real browser, at 1280 and at 380 pixels: pages load in silence, filters
and sliders do what they say, and what is shown is what the page holds.

Of the tier of `test_in_a_browser.py`. REPORT_SCREENSHOTS names a folder for pictures of all pages.
"""

import base64
import os
from pathlib import Path

import pytest
from browser import WIDTHS, faults, window
from built_site import pages_of
from reported import Rows, counted, report, run_data

pytestmark = pytest.mark.long
STOPS = ("-N", "4,64,256", "-R", "2,4", "-k", "1,2,3")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The data of a run with all three verdicts, and its report."""
    data = run_data()
    data["cells"][1] |= {"verdict": "FAIL", "wrong": 2, "reason": "2 answers are wrong"}
    data = counted(data | {"planned": 6})
    return data, report(tmp_path_factory.mktemp("report"), data, *STOPS)[1]


@pytest.fixture(params=WIDTHS)
def opened(request, playwright, made):
    """A window of each width, and the folder."""
    with window(playwright, request.param) as page:
        yield page, made[1], request.param


def test_every_page_of_a_report_loads_in_silence_and_fits_the_window(opened):
    page, folder, width = opened
    names = list(pages_of(folder))
    assert len(names) == 4
    wrong = {name: faults(page, folder / name) for name in names}
    assert {name: one for name, one in wrong.items() if one} == {}
    for name in names if "REPORT_SCREENSHOTS" in os.environ else ():
        page.goto((folder / name).as_uri())
        into = Path(os.environ["REPORT_SCREENSHOTS"])
        page.screenshot(path=into / f"{name.partition('.')[0]}-{width}.png", full_page=True)


def cells_shown(page):
    """The constructions of the cells that are seen."""
    return [
        one.get_attribute("data-construction")
        for one in page.locator("tbody[data-verdict]").all()
        if one.is_visible()
    ]


def test_filters_show_what_they_say_and_nothing_else(opened, made):
    page, folder, _ = opened
    cells = made[0]["cells"]
    page.goto((folder / "index.html").as_uri())
    assert len(cells_shown(page)) == len(cells) == 5
    assert page.locator("#shown").inner_text() == "5 of 5 cells are shown"

    def of(**values):
        return sorted(
            one["construction"]
            for one in cells
            if all(one[name] == value for name, value in values.items())
        )

    for verdict in ("PASS", "UNKNOWN"):
        page.get_by_label(verdict, exact=True).uncheck()
    assert sorted(cells_shown(page)) == of(verdict="FAIL")
    assert page.locator("#shown").inner_text() == "1 of 5 cells are shown"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('shown').textContent.startsWith('5')")
    for theorem in {one["theorem"] for one in cells}:
        page.locator("select[name=theorem]").select_option(theorem)
        assert sorted(cells_shown(page)) == of(theorem=theorem)
        seen = [one for one in page.locator("section.theorem").all() if one.is_visible()]
        assert len(seen) == 1
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('shown').textContent.startsWith('5')")
    page.locator("select[name=construction]").select_option("selector")
    page.get_by_label("Words in the row").fill("basis")
    assert cells_shown(page) == ["selector"]
    page.get_by_label("Words in the row").fill("no such words")
    assert cells_shown(page) == []


def test_sliders_show_the_plane_of_their_stop(opened):
    page, folder, _ = opened
    page.goto((folder / "plane.html").as_uri())
    text = (folder / "plane.html").read_text("utf-8")
    sliders = page.locator("#sliders input")
    stops = [one.split() for one in sliders.evaluate_all("all => all.map(o => o.dataset.stops)")]
    assert stops == [["4", "64", "256"], ["2", "4"], ["1", "2", "3"]]
    seen = set()
    for i, n in enumerate(stops[0]):
        for j, r in enumerate(stops[1]):
            for m, k in enumerate(stops[2]):
                for slider, at in zip(sliders.all(), (i, j, m), strict=True):
                    slider.fill(str(at))
                shown = page.locator("#plane").inner_text()
                assert f"N = {n}, R = {r}, k = {k}: the facts are" in shown
                rows = Rows(text, f"plane-{n}-{r}-{k}").rows
                seen_rows = page.locator("#plane tr").evaluate_all(
                    "rows => rows.map(row => [...row.cells].map(c => c.textContent.trim()))"
                )
                assert seen_rows == rows
                command = page.locator("#command").inner_text()
                assert command == f"python -m verify bound -N {n} -R {r} -k {k}"
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                seen.add(shown)
    assert len(seen) == 18


def test_sliders_and_filters_are_worked_by_keys(opened):
    page, folder, _ = opened
    page.goto((folder / "plane.html").as_uri())
    slider = page.locator("#sliders input").first
    slider.focus()
    page.keyboard.press("Home")
    assert "N = 4," in page.locator("#plane h2").inner_text()
    page.keyboard.press("ArrowRight")
    assert "N = 64," in page.locator("#plane h2").inner_text()
    assert slider.get_attribute("aria-valuetext") == "64"
    page.goto((folder / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").is_visible()


CONTRAST = """
() => {
  const light = (colour) => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((one) => {
      const share = Number(one) / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!words || !element.getClientRects().length || element.closest("svg, option")) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(paper(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(weak)];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_paper(scheme, playwright, made):
    with window(playwright, 1280) as page:
        page.emulate_media(color_scheme=scheme)
        for name in pages_of(made[1]):
            page.goto((made[1] / name).as_uri())
            assert page.evaluate(CONTRAST) == [], name
        page.add_style_tag(content="p { color: #777 !important; background: #888 !important }")
        assert page.evaluate(CONTRAST) != [], "the control"


LIGHTNESS = """
async (data) => {
  const image = new Image();
  image.src = `data:image/png;base64,${data}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const seen = context.getImageData(0, 0, image.width, image.height).data;
  const of = (at) => (seen[at] + seen[at + 1] + seen[at + 2]) / 765;
  const all = [];
  for (let at = 0; at < seen.length; at += 4) all.push(of(at));
  all.sort((a, b) => a - b);
  return [all[Math.floor(all.length / 2)], all[0], all[all.length - 1]];
}
"""
"""Of a picture: that of most of it, and the least and the most; 0 is black, 1 white."""


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_figures_are_as_dark_as_their_page(scheme, is_dark, playwright, made):
    """The control is the same page without its style for the dark."""

    def lightness(page):
        shot = page.locator("figure img").first.screenshot()
        return page.evaluate(LIGHTNESS, base64.b64encode(shot).decode())

    with window(playwright, 1280) as page:
        page.emulate_media(color_scheme=scheme)
        page.goto((made[1] / "figures.html").as_uri())
        most, least, greatest = lightness(page)
        assert (most < 0.15) if is_dark else (most > 0.95)
        assert greatest - least > 0.6, "lines and letters stand out"
        page.add_style_tag(content="figure img { filter: none !important }")
        assert lightness(page)[0] > 0.95


def test_a_report_is_printed_dark_on_light_without_controls(playwright, made):
    """Also where the screen is dark; the control is the screen."""
    style = "getComputedStyle(document.querySelector('{}')).{}"
    with window(playwright, 1280) as page:
        for media, paper, filters, figure in (
            ("print", "rgb(255, 255, 255)", "none", "none"),
            ("screen", "rgb(22, 24, 27)", "flex", "invert(0.91) hue-rotate(180deg)"),
        ):
            page.emulate_media(media=media, color_scheme="dark")
            page.goto((made[1] / "index.html").as_uri())
            assert page.evaluate(style.format("html", "backgroundColor")) == paper
            assert page.evaluate(style.format("#filters", "display")) == filters
            page.goto((made[1] / "figures.html").as_uri())
            assert page.evaluate(style.format("figure img", "filter")) == figure
            page.goto((made[1] / "plane.html").as_uri())
            assert page.evaluate(style.format(".band", "fill")) not in (paper, "none")


def test_a_script_that_shows_everything_would_be_noticed(playwright, made, tmp_path):
    """The control: pages whose script does nothing."""
    for path in made[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "report.js").write_text("throw new Error('it fails')")
    with window(playwright, 1280) as page:
        assert any("it fails" in fault for fault in faults(page, tmp_path / "index.html"))
        page.goto((tmp_path / "plane.html").as_uri())
        assert not page.locator("#sliders").is_visible()
        assert "the facts are" in page.locator("#plane").inner_text(), "readable all the same"
