"""Pictures as files: SVG, PNG or PDF by the name of the file, in the style and the size that are
asked for.

The same picture makes the same bytes: no date, and identifiers from a fixed salt.
"""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constructions.files.whole_file import write_atomically
from constructions.guards.errors import InputError
from constructions.guards.extras import installing
from constructions.guards.wording import brief, printable

FORMATS = (".svg", ".png", ".pdf")
DATES: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {},
}
"""Of each format, what would differ from run to run."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "<", ">", "p", "h", "d", "8")
"""By which constructions differ without colours."""


@dataclass(frozen=True)
class Look:
    """What a user wants of a picture.

    Attributes:
        style: a style sheet of matplotlib, FILE.mplstyle; it overrides what is ours.
        size: width and height in inches; None for the usual size.
    """

    style: Path | None = None
    size: tuple[float, float] | None = None


def require_matplotlib(what: str = "--plot") -> None:
    """Raise InputError if matplotlib is not installed, which `what` needs."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError(f"{what} needs matplotlib: {installing('plot')}") from None


def require_format(path: Path) -> None:
    """Raise InputError unless the name of a picture says a format that is written."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"{path}: the picture is an SVG, PNG or PDF; give a file name that ends in .svg,"
            " .png or .pdf"
        )


def check_picture(path: Path | None, look: Look | None = None) -> None:
    """Refuse, before the work, a picture that cannot be written, or a style that cannot be read.

    Raises:
        InputError: its name says no format, matplotlib is not installed, or see `style_of`.
    """
    look = look or Look()
    if path is None:
        if look.style is not None or look.size is not None:
            word = "--size" if look.style is None else "--style"
            raise InputError(f"{word} is of a picture; it needs --plot FILE.svg, .png or .pdf")
        return
    require_format(path)
    require_matplotlib()
    style_of(look.style)


def style_of(path: Path | None) -> dict[str, Any]:
    """What a style sheet sets.

    Raises:
        InputError: it cannot be read, or sets what matplotlib does not know.
    """
    if path is None:
        return {}
    import matplotlib

    said: list[str] = []

    class Heard(logging.Handler):
        """What matplotlib would print."""

        def emit(self, record: logging.LogRecord) -> None:
            """One remark."""
            said.append(record.getMessage())

    logger, heard = logging.getLogger("matplotlib"), Heard()
    kept = logger.propagate
    logger.addHandler(heard)
    logger.propagate = False
    try:
        if not path.is_file():
            raise InputError(f"{path}: is no file; give a style sheet of matplotlib")
        found = matplotlib.rc_params_from_file(
            path.resolve(), fail_on_error=True, use_default_template=False
        )
    except (OSError, ValueError, KeyError) as error:
        why = said[0] if isinstance(error, UnicodeDecodeError) and said else str(error)
        raise InputError(
            f"{path}: is no style sheet of matplotlib: {brief(' '.join(why.split()))}"
        ) from None
    finally:
        logger.removeHandler(heard)
        logger.propagate = kept
    if said:
        raise InputError(
            f"{path}: is no style sheet of matplotlib: {brief(' '.join(said[0].split()))}"
        )
    return {str(name): value for name, value in found.items()}


def write_picture(
    draw: Callable[[Any], None],
    path: Path,
    size: tuple[float, float],
    look: Look | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Write a picture in one step, in the format that the name of the file says.

    Args:
        draw: draws into a `matplotlib.figure.Figure`.
        path: of the file.
        size: the usual width and height, in inches.
        look: what the user wants otherwise.
        settings: of matplotlib, beside `svg.fonttype`; a style overrides them.

    Raises:
        InputError: see `check_picture`; or matplotlib cannot draw in the style.
    """
    look = look or Look()
    check_picture(path, look)
    import matplotlib
    from matplotlib.figure import Figure

    ours: dict[Any, Any] = {
        "svg.hashsalt": "geometric recall",
        "svg.fonttype": "path",
        "font.size": 9,
        "savefig.dpi": 150,
        **(settings or {}),
        **style_of(look.style),
    }
    kind = path.suffix.lower()[1:]
    written = io.BytesIO()
    with matplotlib.rc_context(ours):
        try:
            figure = Figure(figsize=look.size or size, layout="constrained")
            draw(figure)
            figure.savefig(written, format=kind, metadata=DATES[kind])
        except (RuntimeError, ValueError, OSError) as error:
            if look.style is None:
                raise
            raise InputError(
                f"{look.style}: matplotlib cannot draw in this style:"
                f" {brief(printable(' '.join(str(error).split())))}"
            ) from None
    write_atomically(path, iter([written.getvalue()]))


def add_legend(figure: Any, panels: Sequence[Any], title: str = "") -> None:
    """One legend for all panels, each label once: at the right, in letters that are small enough
    for the height of the picture; below a narrow picture.
    """
    found: dict[str, Any] = {}
    for ax in panels:
        handles, labels = ax.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    if not found:
        return
    width, height = figure.get_size_inches()
    below = width < 6.5
    columns = 2 if below else 1
    lines = math.ceil(len(found) / columns) + 1 + title.count("\n") + bool(title)
    room = 72 * height * (0.4 if below else 0.95)
    letters = max(3.0, min(1.3 * width if below else 7.5, 7.5, room / (1.55 * lines)))
    figure.legend(
        found.values(),
        found.keys(),
        loc="outside lower center" if below else "outside right upper",
        ncols=columns,
        frameon=False,
        fontsize=letters,
        title=title or None,
        title_fontsize=letters,
        alignment="left",
    )
