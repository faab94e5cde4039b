"""Packages that only some parts need: how one that is missing is installed."""

from __future__ import annotations


def installing(extra: str) -> str:
    """The command that installs an extra of pyproject.toml, in the releases of constraints.txt."""
    return f"pip install -c constraints.txt '.[{extra}]' in a clone of this project"
