"""Times in words."""

from __future__ import annotations

_UNITS = (("days", 86400.0), ("h", 3600.0), ("min", 60.0))


def about(seconds: float) -> str:
    """An estimated time, as exact as is worth saying: 40 s, 12 min, 2 h 10 min, 3 days 4 h."""
    if seconds < 55:
        return f"{max(1, round(seconds / 10)) * 10} s"
    if seconds < 3570:
        return f"{max(1, round(seconds / 60))} min"
    minutes = 10 * round(seconds / 600)
    if minutes < 600:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    hours = round(seconds / 3600)
    if hours < 48:
        return f"{hours} h"
    days, rest = divmod(hours, 24)
    return f"{days:,} days {rest} h" if rest else f"{days:,} days"


def measured(seconds: float) -> str:
    """A measured time, to a tenth of the largest unit of which there are two: 1.9 s, 12.5 min."""
    for name, unit in _UNITS:
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:.1f} s"
