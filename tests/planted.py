"""Copies of a module with a fault planted in them, for tests that must notice it."""

import importlib.util
import sys
from pathlib import Path


def planted(module, fault):
    """A copy of the module in which one text, which must be there, is replaced by another."""
    old, new = fault
    source = Path(module.__file__).read_text()
    assert source.count(old) >= 1, f"nothing to replace: {old}"
    copy = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("planted_copy", loader=None)
    )
    sys.modules["planted_copy"] = copy  # dataclasses look their module up
    try:
        exec(compile(source.replace(old, new), "planted_copy.py", "exec"), copy.__dict__)
    finally:
        del sys.modules["planted_copy"]
    return copy
