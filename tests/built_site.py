"""What a built site holds: its pages, what they load, and the links that lead nowhere."""

from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote

LOADING = {"link", "script", "img", "source", "iframe", "audio", "video", "embed", "object"}
"""Elements whose address a browser opens without being asked; a link to a canonical address or to
the author's page is none of these in our pages.
"""


class Page(HTMLParser):
    """The ids of a page, the addresses that it loads, and those that it links to."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.loads, self.links = set(), [], []
        self.formulas = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """One element."""
        found = dict(attrs)
        self.formulas += tag == "math"
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        for name in ("src", "href", "srcset", "data", "poster", "xlink:href"):
            if found.get(name):
                (self.loads if tag in LOADING else self.links).append(found[name])


def pages_of(folder):
    """All pages of a built site, by their paths in it."""
    found = sorted(Path(folder).rglob("*.html"))
    return {str(path.relative_to(folder)): Page(path.read_text("utf-8")) for path in found}


def elsewhere(address):
    """Whether an address is on another machine."""
    return address.startswith(("http:", "https:", "//"))


def requests(pages):
    """What pages would load from a network: (page, address)."""
    return [(name, one) for name, page in pages.items() for one in page.loads if elsewhere(one)]


def dead_links(folder, pages):
    """Addresses inside the site that lead to no file, or to no element of it: (page, address)."""
    files = {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}
    dead = []
    for name, page in pages.items():
        for address in {*page.links, *page.loads}:
            if elsewhere(address) or address.startswith(("data:", "mailto:", "javascript:")):
                continue
            path, _, anchor = address.partition("#")
            path = unquote(path.partition("?")[0])
            target = normpath(join(dirname(name), path)) if path else name
            known = target not in pages or not anchor or unquote(anchor) in pages[target].ids
            if target not in files or not known:
                dead.append((name, address))
    return dead
