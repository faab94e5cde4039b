"""The table of docs/measures.md holds what is measured."""

import re
from fractions import Fraction

import pytest
from decoders_to_measure import GEOMETRIC, MEMORIES, measured
from page_blocks import ROOT

from verify.learned.attention import attention
from verify.learned.intervention import intervention
from verify.learned.recall import recall
from verify.learned.selection import selection
from verify.learned.superposition import superposition
from verify.learned.transfer import after_steps, zero_step

PAGE = (ROOT / "docs" / "measures.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \|((?: [\d.-]\S* \(\S+\) \|| no units \|)+)$", PAGE, re.M)


def test_all_rows_are_read():
    assert len(ROWS) == 8


@pytest.mark.parametrize(("name", "cells"), ROWS, ids=[name for name, _ in ROWS])
def test_the_table_holds_what_is_measured(name, cells):
    """To two digits; exactly where a cell is a whole number."""
    decoder, answers = measured((GEOMETRIC | MEMORIES)[name]())
    exchanged = intervention(decoder, answers)
    found = [
        recall(decoder, answers),
        superposition(decoder, answers),
        exchanged.move,
        exchanged.keep,
        exchanged.both,
        zero_step(decoder, answers),
        after_steps(decoder, answers),
        selection(decoder).measure,
        attention(decoder).measure,
    ]
    written = [cell.strip() for cell in cells.strip("|").split("|")]
    for one, cell in zip(found, written, strict=True):
        if one.value is None:
            assert cell == "no units"
            continue
        for number, text in zip((one.value, one.null), cell.strip(")").split(" ("), strict=True):
            within = 1e-6 if text in ("0", "1") else 0.0051
            # whatever the machine rounds, 25 steps may answer a few of 256 questions otherwise
            within = 0.03 if one.name.startswith("transfer after") else within
            assert float(number) == pytest.approx(float(Fraction(text)), abs=within), (one, cell)
