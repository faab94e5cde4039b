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


def planted_among(modules, module, fault):
    """Copies of modules that import one another, in this order, with a fault in one of them; the
    last copy.
    """
    names = [other.__name__ for other in modules]
    package = sys.modules[names[0].rpartition(".")[0]]
    kept = {name: sys.modules[name] for name in names}
    old, new = fault
    try:
        for other in modules:
            source = Path(other.__file__).read_text()
            if other is module:
                assert source.count(old) >= 1, f"nothing to replace: {old}"
                source = source.replace(old, new)
            copy = importlib.util.module_from_spec(
                importlib.util.spec_from_loader(other.__name__, loader=None)
            )
            sys.modules[other.__name__] = copy
            setattr(package, other.__name__.rpartition(".")[2], copy)
            exec(compile(source, f"planted copy of {other.__name__}", "exec"), copy.__dict__)
    finally:
        sys.modules.update(kept)
        for name, original in kept.items():
            setattr(package, name.rpartition(".")[2], original)
    return copy
