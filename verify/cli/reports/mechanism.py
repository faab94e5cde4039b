"""One query as it passes through a model, as a table: blocks of the stream by positions and
layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from constructions.guards.wording import joined, printable
from verify.queries.shown import Evidence, Fired, Held, Look, Row, Shown, ShownStep, drawn

WIDTH = 99
"""Characters of a line."""
MOST_NOTES = 12
"""Heads, or groups of units, of one layer that are named."""
LEGEND = (
    ". nothing there; 0 cleared by this layer; * the code that this pass hands on; (x) left over:"
    " no longer counted on; ~x the signs of x's code; x - 2 its code less 2; @i position i"
)
SIGNS = "; +-0 numbers, each + for 1, - for -1, 0 for 0"
FITTED_SIGNS = ". nothing there that stands above noise; 0 so after this layer; "
FITTED_LEGEND = (
    "x? the facts say otherwise; ? cannot be told. 98% (6%): of so many subjects who had no part"
    " in the fit the block says what the facts say, and of so many by chance. R^2: how much of"
    " what they differ by the blocks explain (with shuffled facts). relation: which one is asked"
    " for; always: the length of what is the same for all; rest: of what no block explains"
)


def table(found: Shown) -> str:
    """The whole query as text, in lines of at most 99 characters."""
    lines = wrap(f"{sizes(found)}: {title(found)}", WIDTH, subsequent_indent="  ")
    lines += [line for remark in found.remarks for line in wrap(remark, WIDTH)]
    lines.append("")
    for number, step in chosen(found):
        if step is None:
            lines += [f"... {number:,} steps like these", ""]
            continue
        if len(found.steps) > 1:
            lines.append(f"step {number}: writes {printable(step.logits[0][0])}")
        lines += [*_step(found, step), ""]
    if found.cut:
        lines.append(f"... {found.cut:,} more blocks, of words that are no part of this path")
    return joined([*lines, *wrap(_legend(found), WIDTH)])


def _legend(found: Shown) -> str:
    """What the signs mean; that of numbers by their signs alone where there are such."""
    if is_fitted(found):
        return FITTED_SIGNS + FITTED_LEGEND
    steps = (step for _, step in chosen(found) if step is not None)
    held = (held for step in steps for row in step.rows for held in row.held)
    numbers = {one.text.rstrip(".") for one in held if one.kind == "numbers"}
    signed = any(set(text) <= set("+-0") and text.strip("0") for text in numbers)
    return LEGEND + (SIGNS if signed else "")


def is_fitted(found: Shown) -> bool:
    """Whether the blocks are those of a fitted basis."""
    return any(block.form == "fitted" for block in found.blocks)


def title(found: Shown) -> str:
    """The query and what the model says."""
    said = "" if found.right else " (WRONG: the facts say otherwise)"
    if not found.claimed:
        said = " (means nothing: the query is not stored, and not claimed)"
    return f"{found.query} -> {printable(found.answer)}{said}"


def sizes(found: Shown) -> str:
    """The construction, and how large it is."""
    layers = "layer" if found.depth == 1 else "layers"
    return f"{found.name}, d_model = {found.d_model:,}, {found.depth} {layers}"


def chosen(found: Shown) -> Iterator[tuple[int, ShownStep | None]]:
    """The steps that are drawn, with their numbers; and how many are left out, with None."""
    before = 0
    there = {step.number: step for step in found.steps}
    for number in drawn(found.steps[-1].number):
        if number > before + 1:
            yield number - before - 1, None
        yield number, there[number]
        before = number


def parts(found: Shown, step: ShownStep) -> Iterator[Row | list[str]]:
    """Rows, and between them what heads and units do, in the order in which it happens."""
    rows: dict[str, list[Row]] = {}
    for row in step.rows:
        rows.setdefault(row.point, []).append(row)
    yield from rows.get("embedding", ())
    for layer in range(found.depth):
        looks = [_look(look, step.tokens) for look in step.looks if look.layer == layer]
        if looks:
            yield _cut(looks)
        yield from rows.get(f"layers.{layer}.mid", ())
        fired = [_fired(fired) for fired in step.fired if fired.layer == layer]
        if fired:
            yield [f"units that fire: {'; '.join(_cut(fired))}"]
        yield from rows.get(f"layers.{layer}.post", ())
    yield from rows.get("final", ())


def point_name(row: Row, depth: int) -> str:
    """At which point of the forward pass a row stands."""
    if row.point == "embedding":
        return "embedding"
    if row.point == "final":
        return "after the last norm"
    _, layer, part = row.point.split(".")
    where = "attention" if part == "mid" else "the MLP"
    return f"after {where}" + (f" {int(layer) + 1}" if depth > 1 else "")


def _row_name(row: Row, depth: int) -> str:
    """Where a row stands."""
    name = printable(row.token) if row.point == "embedding" else point_name(row, depth)
    return f"{row.position} {name}"


def evidence_text(evidence: Evidence) -> str:
    """How good a fitted basis is at one point."""
    if evidence.value is None:
        return "no fit"
    chance = "" if evidence.null is None else f" ({evidence.null:.2f})"
    return f"R^2 {evidence.value:.2f}{chance}"


def share_text(held: Held) -> str:
    """Of how many subjects what stands in a block is read right, and of how many by chance."""
    return "" if held.share is None else "{:.0%} ({:.0%})".format(*held.share)


def logits_line(step: ShownStep) -> str:
    """The largest logits, and the margin between the first two."""
    named = ", ".join(f"{printable(name)} {_number(logit)}" for name, logit in step.logits)
    margin = step.logits[0][1] - step.logits[1][1] if len(step.logits) > 1 else 0.0
    return f"logits: {named}, ...: margin {_number(margin)}"


def cell(held: Held) -> str:
    """What stands in a block, in a few characters."""
    if held.kind == "zero":
        return "0" if held.cleared else "."
    if held.kind == "unknown":
        return "?"
    text = printable(held.text) + ("?" if held.kind == "doubtful" else "")
    if held.label is not None:
        return f"{held.label}: {text}*" if held.label else f"{text}*"
    return f"({text})" if held.left_over else text


def _look(look: Look, names: Sequence[str]) -> str:
    """What a head copies, and from where."""
    where = ", ".join(
        f"{position} {printable(names[position])}" + (f" {weight:.3g}" if weight < 0.9995 else "")
        for position, weight in look.looked
    )
    does = f", {look.name}: {', '.join(look.reads)} -> {', '.join(look.writes)}, from"
    return f"head {look.head}{does if look.name else ': from'} {where}"


def _fired(fired: Fired) -> str:
    """How many units of a group fire."""
    text = f"{fired.name} {fired.fired:,} of {fired.units:,}".lstrip()
    on = [f"{printable(label)} {number}" for label, number, _ in fired.by_block if number]
    return f"{text} ({', '.join(on)})" if on else text


def _cut(lines: list[str]) -> list[str]:
    """The first lines, and how many there are more."""
    if len(lines) <= MOST_NOTES:
        return lines
    return [*lines[: MOST_NOTES - 1], f"... and {len(lines) - MOST_NOTES + 1:,} more"]


def _number(value: float, digits: int = 6) -> str:
    """A logit in a few characters."""
    return f"{value:.{digits}g}"


def _step(found: Shown, step: ShownStep) -> Iterator[str]:
    """The lines of one step: all blocks, in several tables if they are too many for a line."""
    items = list(parts(found, step))
    slots = [block.slot for block in found.blocks]
    heads = [slot if slot not in slots[:i] else "" for i, slot in enumerate(slots)]
    labels = [printable(block.label) for block in found.blocks]
    digits = 3 if is_fitted(found) else 6
    read = [_number(of_answer, digits) for of_answer, _ in step.read]
    names = [_row_name(item, found.depth) for item in items if isinstance(item, Row)]
    adds = f"adds to {printable(step.logits[0][0])}"
    found_by = [f"  {evidence_text(row.evidence)}" for row in step.rows if row.evidence]
    left = min(24, max(map(len, [*names, *found_by, adds])))
    columns = [
        [
            heads[i],
            labels[i],
            *(text for row in items if isinstance(row, Row) for text in _cells(row, i)),
            read[i],
        ]
        for i in range(len(found.blocks))
    ]
    widths = [max(map(len, column)) for column in columns]
    for number, group in enumerate(_groups(widths, WIDTH - left)):
        lines = iter(zip(*(columns[i] for i in group), strict=True))
        row = _Line(left, [widths[i] for i in group])
        if number:
            yield ""
        yield row.text("", next(lines))
        if any(labels[i] for i in group):
            yield row.text("", next(lines))
        else:
            next(lines)
        for item in items:
            if isinstance(item, Row):
                yield row.text(_row_name(item, found.depth), next(lines))
                if item.evidence is not None:
                    yield row.text(f"  {evidence_text(item.evidence)}", next(lines))
            elif not number:
                yield from (
                    part
                    for note in item
                    for part in wrap(note, WIDTH, initial_indent="  ", subsequent_indent="    ")
                )
        yield row.text(adds, next(lines))
    yield logits_line(step)


def _cells(row: Row, index: int) -> list[str]:
    """What stands in a block of a row; and how often it is read right, in a fitted basis."""
    held = row.held[index]
    return [cell(held)] if row.evidence is None else [cell(held), share_text(held)]


class _Line:
    """The lines of a table with columns of these widths."""

    def __init__(self, left: int, widths: Sequence[int]):
        self.left, self.widths = left, widths

    def text(self, name: str, values: Sequence[str]) -> str:
        """One line."""
        short = name if len(name) <= self.left else f"{name[: self.left - 3]}..."
        filled = (f"{value:<{width}}" for value, width in zip(values, self.widths, strict=True))
        return f"{short:<{self.left}}  {'  '.join(filled)}".rstrip()


def _groups(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """The numbers of the columns, in groups that fit a line."""
    group: list[int] = []
    used = 0
    for index, width in enumerate(widths):
        if group and used + width + 2 > room:
            yield group
            group, used = [], 0
        group.append(index)
        used += width + 2
    yield group
