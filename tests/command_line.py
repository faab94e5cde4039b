"""A family, and the program as another process."""

import subprocess
import sys

FAMILY = (
    "Alice\tmother\tBeth\nBeth\tmother\tCarla\nAlice\twife\tDora\nDora\tmother\tBeth\nAnn"
    " Lee\tborn in\tNew York\n"
)


def run(*arguments, **options):
    command = [sys.executable, "-m", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)
