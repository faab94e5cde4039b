"""The plain notation of formulas on the pages, symbol by symbol, and what is no formula."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "eps": "ε",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "pi": "π",
    "psi": "ψ",
    "phi": "φ",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "theta": "θ",
    "omega": "ω",
    "eta": "η",
    "Gamma": "Γ",
}
FUNCTIONS = {
    *("ReLU", "SiLU", "MLP", "softmax", "max", "min", "Max", "Min", "log", "ln", "mod", "round"),
    *("tree", "digits", "sin", "cos", "sqrt"),
}
"""Names that stand before their argument, with or without brackets."""
BRACKETS = {
    "ceil": "⌈⌉",
    "ceiling": "⌈⌉",
    "floor": "⌊⌋",
    "abs": "||",
    "norm": "‖‖",
}
"""Functions that are shown as brackets."""
TOKENS = re.compile(
    r"(?P<space>\s+)|(?P<number>\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z][a-z]*(?:_(?!GREEK\b)[a-z]{2,})+|[A-Za-z]+|[εΔ])"
    r"|(?P<dots>\.{1,3})|(?P<sign><=|>=|!=|->|\*\*|!!|[-+*/=<>|!:;,^_(){}\[\]'~])".replace(
        "GREEK", f"(?:min|max|{'|'.join(GREEK)})"
    )
)
NOT_MATHEMATICS = re.compile(
    r"--|//|[\"#\\@&%$`?]|(?:^|\s)'"  # options, quotes and signs of a program
    r"|[\w)\]}] -[A-Za-z]|[A-Za-z]{2,}-[a-z]{2,}|[a-z]/[a-z]{3}"  # commands, hyphens and paths
    r"|\w'[a-z]|\b(?:python|True|False|None)\b"
    r"|(?<![ <>!={,])=(?![^{]*\})|(?<!\.)\.[A-Za-z_]"  # arguments and attributes
    r"|^<\w+>$|<[A-Z]{2,}>|[,;+]$"
    r"|[a-z]{3}\d+$|\d_[a-z]{2}|^_"  # names of dtypes and of functions
)


class Token(NamedTuple):
    """A symbol of a formula, and whether a space stands before and after it."""

    kind: str
    text: str
    before: bool
    after: bool


def read(text: str) -> list[Token] | None:
    """The symbols of a text; None where it has others than a formula has."""
    text = " ".join(text.split())
    if NOT_MATHEMATICS.search(text):
        return None
    tokens, place, space = [], 0, False
    while place < len(text):
        found = TOKENS.match(text, place)
        if found is None:
            return None
        place = found.end()
        if found.lastgroup == "space":
            space = True
            continue
        after = place == len(text) or text[place] == " "
        tokens.append(Token(str(found.lastgroup), found[0], space or not tokens, after))
        space = False
    return tokens


def is_formula(tokens: list[Token]) -> bool:
    """Whether symbols are a formula, and not a name, a call or words."""
    words = [token.text for token in tokens if token.kind == "word"]
    unknown = [word for word in words if len(word) > 1 and not known(word)]
    if len(tokens) == 1:
        return tokens[0].kind == "number" or (bool(words) and known_alone(words[0]))
    if len(words[0] if words else "") > 1 and not known(words[0]) and is_one_name(tokens):
        return False
    for token, following in pairwise(tokens):
        if token.text in unknown and following.text == "(" and not token.after:
            return False  # a call
    return (
        not unknown
        or any(word in GREEK for word in words)
        or any(token.kind in {"sign", "number"} for token in tokens)
    )


def is_one_name(tokens: list[Token]) -> bool:
    """Whether symbols are written as one name of a program, as `proposition_1`."""
    together = not any(token.before for token in tokens[1:])
    return together and all(token.kind != "sign" or token.text == "_" for token in tokens)


def known_alone(word: str) -> bool:
    """Whether a word is a formula by itself."""
    return word in GREEK or len(word) == 1


def known(word: str) -> bool:
    """Whether a word is a sign of mathematics."""
    return word in GREEK or word in FUNCTIONS or word in BRACKETS or word in {"sum", "log"}
