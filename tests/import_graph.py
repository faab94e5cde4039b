"""The imports between the modules of the three packages: floors and circles.

Every `import` statement counts, wherever it stands: at the top of a file, inside a function, or
under TYPE_CHECKING; so does a text that is the name of a module, which something may import by
it. Run it to print the figures:

    python tests/import_graph.py [--circles | --floors]
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("constructions", "bounds", "verify")


def modules_of(root: Path) -> dict[str, Path]:
    """The files of the three packages, by module name; a package is its `__init__.py`."""
    found = {}
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(root: Path) -> dict[str, set[str]]:
    """For every module the modules of the three packages that it imports by name.

    `from a.b import c` imports the module `a.b.c` where there is one, else `a.b`. That Python also
    runs the `__init__.py` of every package on the way does not count.
    """
    modules = modules_of(root)
    dotted = {name for name in modules if "." in name}
    imported: dict[str, set[str]] = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        wanted: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and node.value in dotted:
                wanted.add(node.value)
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) + 1 - node.level]
                start = ".".join([*(above if node.level else []), *filter(None, [node.module])])
                wanted |= {
                    inner if (inner := f"{start}.{alias.name}") in modules else start
                    for alias in node.names
                }
        imported[name] = (wanted & modules.keys()) - {name}
    return imported


def circles(imported: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other in a circle: strongly connected components of
    more than one module.
    """
    reached = {name: _reached_from(name, imported) for name in imported}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in imported
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reached_from(start: str, imported: dict[str, set[str]]) -> set[str]:
    """All modules that are imported by this one, directly or through others."""
    found: set[str] = set()
    ahead = list(imported[start])
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += imported[name]
    return found


def floors(imported: dict[str, set[str]]) -> list[list[str]]:
    """The modules by the longest chain of imports below them; those of a circle stand together."""
    group_of = {name: name for name in imported}
    for group in circles(imported):
        group_of |= dict.fromkeys(group, group[0])
    below: dict[str, set[str]] = {group: set() for group in group_of.values()}
    for name, others in imported.items():
        below[group_of[name]] |= {group_of[other] for other in others} - {group_of[name]}
    height: dict[str, int] = {}

    def height_of(group: str) -> int:
        if group not in height:
            height[group] = 1 + max(map(height_of, below[group]), default=-1)
        return height[group]

    found: list[list[str]] = [[] for _ in range(1 + max(map(height_of, below)))]
    for name in sorted(imported):
        found[height[group_of[name]]].append(name)
    return found


def main(arguments: list[str]) -> None:
    """Print how many files, floors and circles there are; with an option also which."""
    imported = imports_of(ROOT)
    found, stacked = circles(imported), floors(imported)
    print(f"{len(imported)} files, {len(stacked)} floors, {len(found)} circles")
    for package in PACKAGES:
        own = {n: {o for o in others if o.startswith(package)} for n, others in imported.items()}
        own = {name: others for name, others in own.items() if name.partition(".")[0] == package}
        print(
            f"{package}: {len(own)} files, {len(floors(own))} floors, {len(circles(own))} circles"
        )
    if "--circles" in arguments:
        for group in found:
            print(f"circle of {len(group)}: {', '.join(group)}")
    if "--floors" in arguments:
        for number, names in enumerate(stacked):
            print(f"floor {number}: {', '.join(names)}")


if __name__ == "__main__":
    main(sys.argv[1:])
