"""One query as it passes through a model, as a picture: a row for each position and layer, a box
for each block of the stream.

Everything that a colour says is also said in words or by a hatch, so that the picture can be
printed in black and white; the colours are those of Okabe and Ito, which colour-blind readers
tell apart.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from constructions.files.whole_file import write_atomically
from constructions.guards.wording import printable
from verify.cli.reports.mechanism import (
    FITTED_LEGEND,
    cell,
    chosen,
    evidence_text,
    is_fitted,
    logits_line,
    parts,
    point_name,
    share_text,
    sizes,
    title,
)
from verify.cli.reports.pictures import DATES, require_format, require_matplotlib
from verify.queries.shown import Held, Row, Shown, ShownStep
from verify.queries.shown_blocks import Block

if TYPE_CHECKING:  # of the extra plot
    from matplotlib.figure import Figure

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "mechanism",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "hatch.linewidth": 0.5,
}
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2")
_PALE = 0.42
"""How much of a colour fills a box."""
_LEFT, _HEIGHT, _GAP, _LINE = 1.75, 0.46, 0.10, 0.19
"""Inches: the names of rows, the height of a row, the space below it, a line of text."""
_ROUNDING = 1e-5
"""What adds less than this share of the most that is added to a logit has no bold frame."""
_READ = ("entity", "near", "doubtful")
"""What may have a bold frame."""
_MOST_SQUARES, _LONGEST = 12, 20
"""Bits of a code that are drawn, and characters of a name in the margins."""


def draw(found: Shown, path: Path) -> None:
    """Write the picture, in the format that the name of the file says.

    Raises:
        InputError: of another format, or matplotlib is not installed.
    """
    require_format(path)
    require_matplotlib()
    import matplotlib

    kind = path.suffix.lower()[1:]
    with matplotlib.rc_context(_SETTINGS):
        made = io.BytesIO()
        figure(found).savefig(made, format=kind, dpi=150, metadata=DATES[kind])
    write_atomically(path, iter([made.getvalue()]))


def figure(found: Shown) -> Figure:
    """The picture, as matplotlib has it, as large as it needs to be."""
    from matplotlib.figure import Figure

    page = _Page(found)
    page.draw(None)
    drawn = Figure(figsize=(page.width, page.y))
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, page.width)
    axes.set_ylim(page.y, 0)
    axes.set_axis_off()
    page.draw(axes)
    return drawn


class _Page:
    """Where everything lies, in inches from the upper left corner."""

    def __init__(self, found: Shown):
        self.found = found
        self.widths = [_width(found, index) for index in range(len(found.blocks))]
        self.width = max(6.6, _LEFT + sum(self.widths) + _GAP * len(self.widths) + 0.1)
        self.colours = _colours(found.blocks)
        self.y = 0.0
        self.axes: Any = None

    def draw(self, axes: Any) -> None:
        """Draw everything; without axes only the heights are added up."""
        self.axes, self.y = axes, 0.25
        for line in wrap(_arrows(title(self.found)), int(self.width * 9.5)):
            self._text(0.1, line, 11, weight="bold")
            self.y += 0.22
        self._text(0.1, sizes(self.found), size=7.5, color="0.35")
        self.y += 0.2
        for line in self._wrapped(self.found.remarks):
            self._text(0.1, _squared(line), size=7)
            self.y += 0.15
        self.y += 0.08
        for number, step in chosen(self.found):
            if step is None:
                self._text(0.1, f"... {number:,} steps like these", style="italic")
                self.y += 0.4
                continue
            if len(self.found.steps) > 1:
                written = printable(step.logits[0][0])
                self._text(0.1, f"step {number}: writes {written}", weight="bold")
                self.y += 0.26
            self._step(step)
        for line in self._legend():
            self._text(0.1, line, size=6.5, color="0.35")
            self.y += 0.15

    def _step(self, step: ShownStep) -> None:
        """The names of the slots, the rows and what happens between them, and the logits."""
        self._slots()
        for item in parts(self.found, step):
            if isinstance(item, Row):
                self._row(item, step if item is step.rows[-1] else None)
                continue
            self.y += 0.03
            for line in self._notes(item):
                self._text(_LEFT, line, size=7, style="italic", color="0.25")
                self.y += _LINE
            self.y += 0.04
        self._text(0.1, f"adds to the logit of {printable(step.logits[0][0])}"[:36], size=7)
        for x, width, (added, _) in zip(self._lefts(), self.widths, step.read, strict=True):
            bold = "bold" if added else "normal"
            text = f"{added:+.3g}" if added else "0"
            self._text(x + width / 2, text, 7, weight=bold, ha="center")
        self.y += _LINE + _LINE / 2
        self._logits(step)

    def _logits(self, step: ShownStep) -> None:
        """The largest logits as bars; one below 0 has none."""
        margin = logits_line(step).rpartition(", ...: ")[2]
        self._text(0.1, f"largest logits: {margin}", size=7)
        self.y += _LINE
        longest = max(1e-9, *(logit for _, logit in step.logits))
        for rank, (name, logit) in enumerate(step.logits):
            weight = "normal" if rank else "bold"
            self._text(_LEFT - 0.08, printable(name)[:_LONGEST], ha="right", weight=weight)
            length = max(0.0, logit) / longest * 2
            face = "0.75" if rank else "black"
            corner = _LEFT, self.y - 0.055
            self._rectangle(corner, (length, 0.11), facecolor=face, edgecolor="none")
            self._text(_LEFT + length + 0.06, f"{logit:.6g}", weight=weight)
            self.y += _LINE
        self.y += 0.16

    def _slots(self) -> None:
        """The name of each slot over its first block, and the labels of the blocks."""
        seen = set()
        for x, width, block in zip(self._lefts(), self.widths, self.found.blocks, strict=True):
            if block.slot not in seen:
                self._text(x, block.slot, size=7, color="0.35")
            seen.add(block.slot)
            label = printable(block.label)[:_LONGEST]
            self._text(x + width / 2, label, 7.5, dy=_LINE, ha="center")
        self.y += 2 * _LINE

    def _row(self, row: Row, last_of: ShownStep | None) -> None:
        """The boxes of one row; in the last row of a step those that the answer's logit reads have
        a bold frame.
        """
        token = printable(row.token)[:_LONGEST]
        names, where = (0.32, 0.74) if row.evidence is None else (0.18, 0.5)
        self._text(0.1, f"{row.position}  {token}", dy=_HEIGHT * names, weight="bold")
        self._text(0.1, point_name(row, self.found.depth), 7, dy=_HEIGHT * where, color="0.25")
        if row.evidence is not None:
            text = _squared(evidence_text(row.evidence))
            self._text(0.1, text, 7, dy=_HEIGHT * 0.82)
        least = np.nextafter(0, 1)
        if row.evidence is not None and last_of is not None:  # of many that add a little
            largest = max(abs(added) for added, _ in last_of.read)
            least = max(_ROUNDING * largest, *(added for added, _ in last_of.read[:-3]))
        for index, x in enumerate(self._lefts()):
            held = row.held[index]
            is_read = last_of is not None and last_of.read[index][0] >= least
            bold = held.label is not None or (is_read and held.kind in _READ)
            self._box(x, self.widths[index], self.found.blocks[index], held, bold)
        self.y += _HEIGHT + _GAP

    def _box(self, x: float, width: float, block: Block, held: Held, bold: bool) -> None:
        """One block: filled if something stands there, hatched if it was cleared."""
        empty = held.kind == "zero"
        pale = empty or held.left_over or held.kind in ("unknown", "doubtful")
        colour = self.colours.get(held.text if held.kind == "relation" else block.label, "#FFFFFF")
        self._rectangle(
            (x, self.y),
            (width, _HEIGHT),
            facecolor="white" if pale else _mixed(colour),
            edgecolor="0.6" if pale else "black",
            linewidth=1.8 if bold else 0.8,
            linestyle=":" if empty and not held.cleared else "-",
            hatch="/////" if held.cleared else None,
        )
        if held.size is not None and held.size < 1 and not pale:
            above = (1 - held.size) * _HEIGHT
            inset = 0.015
            corner, size = (x + inset, self.y + inset), (width - 2 * inset, above - inset)
            self._rectangle(corner, size, facecolor="white", edgecolor="none")
        if held.cleared:
            frame = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
            self._text(x + width / 2, "0", dy=_HEIGHT / 2, ha="center", bbox=frame)
        elif not empty:
            squares = block.form in ("bits", "signs", "any") and held.kind == "entity"
            color = "0.45" if held.left_over or held.kind == "unknown" else "black"
            middle = _HEIGHT * (0.36 if squares or held.share else 0.5)
            self._text(x + width / 2, cell(held), dy=middle, ha="center", color=color)
            if squares:
                self._squares(x + width / 2, held)
            elif held.share:
                self._text(x + width / 2, share_text(held), 6, dy=_HEIGHT * 0.76, ha="center")

    def _squares(self, middle: float, held: Held) -> None:
        """The bits of a code: a square each, filled for 1 and for +, white for 0 and for -."""
        bits = held.values[:_MOST_SQUARES]
        side, apart = 0.075, 0.1
        x = middle - apart * len(bits) / 2 + (apart - side) / 2
        for value in bits:
            face = "black" if value > 0 else "white"
            self._rectangle(
                (x, self.y + _HEIGHT * 0.68),
                (side, side),
                facecolor=face,
                edgecolor="black",
                linewidth=0.6,
            )
            x += apart

    def _lefts(self) -> list[float]:
        """Where the blocks begin."""
        return list(accumulate((width + _GAP for width in self.widths[:-1]), initial=_LEFT))

    def _notes(self, notes: list[str]) -> list[str]:
        """What heads or units do, in lines that fit."""
        most = int((self.width - _LEFT) * 17.5)
        lines = (line for note in notes for line in wrap(note, most, subsequent_indent="   "))
        return [_arrows(line) for line in lines]

    def _wrapped(self, sentences: Sequence[str]) -> list[str]:
        """Sentences in lines that fit."""
        most = int(self.width * 17.5)
        return [line for sentence in sentences for line in wrap(sentence, most)]

    def _legend(self) -> list[str]:
        """What the signs that occur mean, in lines that fit."""
        held = [held for step in self.found.steps for row in step.rows for held in row.held]
        if is_fitted(self.found):
            text = "Dotted: nothing there that stands above noise. Hatched: so after this layer."
            text += (
                " Bold frame: what adds most to the answer. Filled as high as the block is long,"
            )
            text += f" against the longest beside it. {FITTED_LEGEND}."
            return wrap(_squared(text), int(self.width * 19))
        text = "Squares: the bits of a code, filled for 1 and +. Hatched: cleared by this layer."
        text += " Bold frame: what remains, and is read."
        if any(one.label is not None for one in held):
            text += " *: the code that this pass hands on. (x): left over, no longer counted on."
        if any(one.kind == "near" for one in held):
            text += " ~x: the signs of x's code."
        if any(one.kind == "moved" for one in held):
            text += " x - 2: x's code less 2."
        if any(one.kind == "position" for one in held):
            text += " @i: position i."
        if self.found.cut:
            text += f" ... {self.found.cut:,} more blocks, of words that are no part of this path."
        return wrap(text, int(self.width * 19))

    def _text(
        self, x: float, text: str, size: float = 8, dy: float = 0.0, ha: str = "left", **style: Any
    ) -> None:
        """A text whose middle is so far below the present height."""
        if self.axes is not None:
            where = x, self.y + dy
            self.axes.text(
                *where, text, ha=ha, va="center", fontsize=size, parse_math=False, **style
            )

    def _rectangle(
        self, corner: tuple[float, float], size: tuple[float, float], **style: Any
    ) -> None:
        """A rectangle."""
        if self.axes is not None:
            from matplotlib.patches import Rectangle

            self.axes.add_patch(Rectangle(corner, *size, **style))


def _width(found: Shown, index: int) -> float:
    """How wide a block is drawn: as its longest text, and its squares."""
    texts = [printable(found.blocks[index].label)[:_LONGEST]]
    for _, step in chosen(found):
        for row in step.rows if step is not None else ():
            texts += [cell(row.held[index]), share_text(row.held[index])]
    slots = [block.slot for block in found.blocks]
    if slots.count(slots[index]) == 1:
        texts.append(slots[index])
    block = found.blocks[index]
    squares = 0.1 * min(_MOST_SQUARES, len(block.columns)) if block.form else 0.0
    return max(0.5, 0.075 * max(map(len, texts)) + 0.12, squares + 0.14)


def _colours(blocks: tuple[Block, ...]) -> dict[str, str]:
    """A colour for each label of a block of codes; a relation that is asked for has that of its
    block.
    """
    labels = dict.fromkeys(block.label for block in blocks if block.form and block.label)
    return {label: _COLOURS[index % len(_COLOURS)] for index, label in enumerate(labels)}


def _arrows(text: str) -> str:
    """The text with arrows as one sign."""
    return text.replace("->", "\N{RIGHTWARDS ARROW}")


def _squared(text: str) -> str:
    """The text with squares as one sign."""
    return text.replace("R^2", "R\N{SUPERSCRIPT TWO}")


def _mixed(colour: str) -> tuple[float, ...]:
    """A colour mixed with white."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return tuple(1 - _PALE * (1 - part) for part in parts)
