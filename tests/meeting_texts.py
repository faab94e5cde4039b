"""Texts of a figure that meet one another, or leave it."""

import itertools

from matplotlib.text import Text


def meeting(figure):
    """Pairs of texts whose boxes meet, and texts that leave the picture."""
    renderer = figure.canvas.get_renderer()
    texts = [
        one
        for one in figure.findobj(Text)
        if one.get_visible() and one.get_text().strip() and one.figure is figure
    ]
    ticks = [
        label
        for ax in figure.axes
        for axis in (ax.xaxis, ax.yaxis)
        for tick in axis.get_major_ticks()
        for label in (tick.label1,)
        if not axis.get_view_interval()[0] <= tick.get_loc() <= axis.get_view_interval()[1]
    ]
    boxes = [
        (one.get_text(), one.get_window_extent(renderer)) for one in texts if one not in ticks
    ]
    found = [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(boxes, 2)
        if one.shrunk(0.98, 0.98).overlaps(other.shrunk(0.98, 0.98))
    ]
    whole = figure.bbox.padded(1)
    return found + [
        name for name, box in boxes if not whole.fully_containsx(box.x0) or box.x1 > whole.x1
    ]
