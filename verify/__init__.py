"""Is it so? Every construction against the facts, its size formulas and its claimed margin.

    from verify import check_bound, check_construction
    print(check_construction("selector", N=100, R=4))

Run `python -m verify --help`. The names are imported on first use.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from verify.cells.held_bounds import check_bound as check_bound
    from verify.cells.one_construction import check_construction as check_construction

_DEFINED_IN = {
    "check_bound": "verify.cells.held_bounds",
    "check_construction": "verify.cells.one_construction",
}

__all__ = ["check_bound", "check_construction"]


def __getattr__(name: str) -> object:
    if name not in _DEFINED_IN:
        raise AttributeError(f"module 'verify' has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(_DEFINED_IN[name]), name)
    return found


def __dir__() -> list[str]:
    return __all__
