"""Pages in a real browser: windows of a width, and what is wrong with a page as it is shown."""

import shutil
from contextlib import contextmanager

from built_site import elsewhere

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1280, 380)


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
