"""Mutation testing with mutmut, on a copy of the committed tree: changes that no test notices are
printed.

    pip install -c constraints.txt -e '.[test,mutation]'
    python benchmarks/mutation.py bounds/theorem_4_2.py  # minutes
    python benchmarks/mutation.py verify/symbolic/logits.py  # minutes on 16 cores
    python benchmarks/mutation.py verify/symbolic/logits.py --only '*_lost*' '*_nearest*'

A survivor is either equivalent (it changes no result) or asks for a test. Exit status 1 if there
are survivors.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHECKER = [
    "tests/test_checker_verdicts.py",
    "tests/test_symbolic.py",
    "tests/checking",  # the whole battery by each checker and by both
]  # seconds; the others have run on the same models
TESTS = {
    "bounds/theorem_4_2.py": ["tests/theorems/test_theorem_4_2.py", "tests/bounds"],
    "bounds/lower_bound.py": ["tests/theorems/test_theorem_4_2.py"],
    **{
        path.relative_to(ROOT).as_posix(): CHECKER
        for floor in ("checking", "kernel", "reading", "symbolic")
        for path in sorted((ROOT / "verify" / floor).rglob("*.py"))
        if path.stem != "__init__"
    },
}
PACKAGES = ("constructions", "bounds", "verify")
SETTINGS = """[mutmut]
source_paths={package}
only_mutate={module}
also_copy=
    {others}
    tests
    pyproject.toml
    README.md
pytest_add_cli_args_test_selection=
    {tests}
pytest_add_cli_args=
    -n0
    -x
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("module", choices=list(TESTS))
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="mutants whose names match"
    )
    parser.add_argument(
        "--children", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x"], cwd=folder, input=tree, check=True)
        tests = "\n    ".join(TESTS[options.module])
        package = options.module.partition("/")[0]
        others = "\n    ".join(name for name in PACKAGES if name != package)
        settings = SETTINGS.format(
            package=package, module=options.module, others=others, tests=tests
        )
        Path(folder, "setup.cfg").write_text(settings)
        run = ["run", "--max-children", str(options.children), *options.only]
        done = subprocess.run(
            [sys.executable, "-m", "mutmut", *run],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        reported = subprocess.run(
            [sys.executable, "-m", "mutmut", "results", "--all", "true"],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        lines = [line.split() for line in reported.splitlines() if ": " in line]
        counts = {
            what: sum(line[1] == what for line in lines)
            for what in sorted({line[1] for line in lines})
        }
        print(
            ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing was changed"
        )
        survivors = [line[0].removesuffix(":") for line in lines if line[1] == "survived"]
        for name in survivors:
            shown = subprocess.run(
                [sys.executable, "-m", "mutmut", "show", name],
                cwd=folder,
                capture_output=True,
                text=True,
            )
            print(
                name,
                *(
                    line
                    for line in shown.stdout.splitlines()
                    if line[:1] in "+-" and line[:3] not in ("+++", "---")
                ),
                sep="\n    ",
            )
    return 1 if survivors or done.returncode or not counts.get("killed") else 0


if __name__ == "__main__":
    sys.exit(main())
