"""Python and console blocks of README and pages, in the order in which they are to be run."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "docs/api/README.md",
    "docs/choosing.md",
    "docs/command-line.md",
    "docs/given-rows.md",
    "docs/imperfect-recall.md",
    "docs/journals.md",
    "docs/learned.md",
    "docs/lower-bounds.md",
    "docs/measures.md",
    "docs/own-facts.md",
    "docs/python.md",
    "docs/quantised.md",
    "docs/show.md",
    "docs/speed.md",
    "docs/sweeps.md",
    "docs/theorems/noise_tokens.md",
    "docs/trained-proofs.md",
    "docs/your-table.md",
)
"""The pages whose blocks are run as they stand. A page with other needs has a test of its own."""


def python_of(page):
    """The Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)


def console_of(page):
    """The console blocks of a page: (a remark that numbers vary, or "", the block)."""
    text = (ROOT / page).read_text()
    return re.findall(r"^(<!-- numbers vary.*?-->\n)?```console\n(.*?)^```", text, re.M | re.S)


def in_order(blocks):
    """The blocks in groups: what reads a model that an earlier block has saved is run after it, by
    the same process.
    """
    groups, of_model = [], {}
    for vary, text in blocks:
        used = next((name for name in of_model if re.search(rf"\b{name}\b", text)), None)
        group = [] if used is None else of_model[used]
        if used is None:
            groups.append(group)
        group.append((vary, text))
        of_model.update(dict.fromkeys(re.findall(r"--save (\S+)", text), group))
    return groups


def all_groups():
    """(page, group of blocks) for every page."""
    return [(page, group) for page in PAGES for group in in_order(console_of(page))]
