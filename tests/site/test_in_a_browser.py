"""Every page of the site in a real browser, at 1280 and at 380 pixels: it loads without an error
and without a request to a network, and is no wider than the window.

A tier of its own (CONTRIBUTING.md): skipped where there is no Chromium or no playwright, unless
BROWSER_REQUIRED is set. SITE_SCREENSHOTS names a folder for pictures of some pages.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from built_site import elsewhere
from page_blocks import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LOOKED_AT = ("index", "theorems/theorem_4_1", "api/constructions", "gallery", "start/engineer")
WIDTHS = (1280, 380)

pytestmark = pytest.mark.long


@pytest.fixture
def playwright():
    """The library, where it and the browser are installed."""
    if "BROWSER_REQUIRED" in os.environ:
        import playwright.sync_api as found

        assert CHROMIUM, "no Chromium is installed"
        return found
    if not CHROMIUM:
        pytest.skip("no Chromium is installed")
    return pytest.importorskip("playwright.sync_api")


@contextmanager
def window(playwright, width):
    """A page of a browser of this width."""
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser.new_page(viewport={"width": width, "height": 900})
        finally:
            browser.close()


def faults(page, path):
    """What is wrong with a page as the browser shows it."""
    found = []

    def asked(request):
        if elsewhere(request.url):
            found.append(f"asks {request.url}")

    def said(message):
        if message.type == "error":
            found.append(f"says {message.text}")

    def raised(error):
        found.append(f"raises {error}")

    heard = {"request": asked, "console": said, "pageerror": raised}
    for event, hear in heard.items():
        page.on(event, hear)
    page.goto(path.resolve().as_uri())
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    for event, hear in heard.items():
        page.remove_listener(event, hear)
    return found + ([f"is {wide} pixels too wide"] if wide > 0 else [])


def test_every_page_loads_in_silence_and_fits_the_window(playwright, tmp_path):
    words = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "docs", str(tmp_path)]
    subprocess.run(words, cwd=ROOT, check=True)
    pages = [path for path in tmp_path.rglob("*.html") if "source" not in path.parts]
    assert len(pages) > 60
    for width in WIDTHS:
        with window(playwright, width) as page:
            wrong = {str(path.relative_to(tmp_path)): faults(page, path) for path in pages}
            assert {name: one for name, one in wrong.items() if one} == {}
            for name in LOOKED_AT if "SITE_SCREENSHOTS" in os.environ else ():
                page.goto((tmp_path / f"{name}.html").as_uri())
                folder = Path(os.environ["SITE_SCREENSHOTS"])
                page.screenshot(path=folder / f"{name.replace('/', '-')}-{width}.png")


def test_a_page_that_asks_that_fails_or_that_is_too_wide_is_noticed(playwright, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<img src="http://127.0.0.1:9/x.png"><div style="width: 2000px">x</div>'
        "<script>throw new Error('it fails')</script>"
    )
    good = tmp_path / "good.html"
    good.write_text("<title>x</title><p>x</p>")
    with window(playwright, 380) as page:
        assert faults(page, good) == []
        found = " ".join(faults(page, bad))
    assert "asks http://127.0.0.1:9/x.png" in found
    assert "it fails" in found
    assert "too wide" in found
