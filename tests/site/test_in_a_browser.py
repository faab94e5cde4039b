"""Every page of the site in a real browser, at 1280 and at 380 pixels: it loads without an error
and without a request to a network, and is no wider than the window.

A tier of its own (CONTRIBUTING.md): skipped where there is no Chromium or no playwright, unless
BROWSER_REQUIRED is set. SITE_SCREENSHOTS names a folder for pictures of some pages.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from browser import WIDTHS, faults, window
from page_blocks import ROOT

LOOKED_AT = ("index", "theorems/theorem_4_1", "api/constructions", "gallery", "start/engineer")

pytestmark = pytest.mark.long


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
