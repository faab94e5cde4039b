"""What tests of pages share."""

import os

import pytest
from browser import CHROMIUM


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
