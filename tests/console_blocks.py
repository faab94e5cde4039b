"""Console blocks of README and pages, and whether a program prints what stands there."""

import re


def runs(block):
    """(command, expected lines) of a console block."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def normalized(line, numbers_vary):
    """Seconds always vary, and the width of the column with them; where said so, all
    numbers do.
    """
    line = re.sub(r"(?<= PASS) +\d+\.\d+$|\d+\.\d+(?= s\b)", " #", line)
    if numbers_vary:
        line = re.sub(r"\d[\d,.]*", "#", line)
    return re.sub(r" +", " ", line)


def matches(printed, expected, numbers_vary):
    """Whether the printed lines are the expected ones, `...` standing for any lines."""
    pattern = "\n".join(
        "(?:.*\n)*?.*" if line == "..." else re.escape(normalized(line, numbers_vary))
        for line in expected
    )
    text = "\n".join(normalized(line, numbers_vary) for line in printed)
    return re.fullmatch(pattern, text) is not None
