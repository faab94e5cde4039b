"""The plain notation of the pages as MathML.

A page writes a formula as code, `c(t) = 2 b(t) - 1`, so that it can be read on any code host and
in a terminal. `pieces` reads that notation and returns MathML that every browser of today sets
without a script, a font or a network, or None where the text is a name or a command, which stays
code. Nothing is computed and nothing is moved: every symbol of the text appears, in its order.

    x_r, x_{r,j}, x_0^2, 2^(p-1)   indices and exponents; their brackets are not shown
    <x, y>, |x|, abs(x), norm(x)   written without spaces inside; `a < b` is a relation
    ceil(x), floor(x), log2 x      brackets of these names, and an index 2
    sum_{l <= h}, alpha, >=, !=    signs
    m*, f', f^{-1}                 stars without a space before them, and primes
"""

from __future__ import annotations

from html import escape

from notation import BRACKETS, GREEK, Token, is_formula, known, read

SIGNS = {
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "->": "→",
    "-": "−",
    "*": "·",
    "**": "^",
    "~": "∼",
    "...": "…",
}
RELATIONS = {"=", "<", ">", "≤", "≥", "≠", "→", "∼", ":"}


def pieces(text: str) -> list[str] | None:
    """A formula as MathML elements, one for each stretch after which a line may break; None where
    the text is no formula.
    """
    tokens = read(text)
    if not tokens or not is_formula(tokens):
        return None
    try:
        parts = Writer(tokens).everything()
    except (IndexError, ValueError):
        return None
    return [f"<math><mrow>{''.join(part)}</mrow></math>" for part in lines(parts)]


def lines(parts: list[str]) -> list[list[str]]:
    """Stretches of a formula: a line may break after a relation, a comma or a sign."""
    found: list[list[str]] = [[]]
    for part in parts:
        found[-1].append(part)
        if part.endswith("<!--break-->"):
            found[-1][-1] = part.removesuffix("<!--break-->")
            found.append([])
    return [part for part in found if part]


class Writer:
    """Reads symbols from the first to the last, and writes MathML."""

    def __init__(self, tokens: list[Token]):
        self.tokens = tokens
        self.place = 0

    def everything(self) -> list[str]:
        """All symbols."""
        parts = self.until(None)
        if self.place != len(self.tokens):
            raise ValueError("a bracket closes that is not open")
        return parts

    def until(self, closing: str | None) -> list[str]:
        """The symbols up to a closing bracket, which is taken too."""
        parts: list[str] = []
        while self.place < len(self.tokens):
            token = self.tokens[self.place]
            if closing is not None and self.closes(token, closing):
                self.place += 1
                return parts
            if token.text in {")", "]", "}"}:
                if closing is None or (closing in {")", "]"} and token.text != "}"):
                    raise ValueError("brackets do not match")
                raise ValueError("a bracket closes another")
            parts += self.item(first=not parts)
        if closing is not None:
            raise ValueError(f"{closing} is missing")
        return parts

    def closes(self, token: Token, closing: str) -> bool:
        """Whether a symbol is the closing bracket that is waited for."""
        return token.text == closing and (closing not in {">", "|"} or self.ends(token))

    def ends(self, token: Token) -> bool:
        """Whether `>` or `|` closes: it stands at what is before it."""
        return not token.before

    def item(self, first: bool) -> list[str]:
        """One operator, or one operand with its indices."""
        token = self.tokens[self.place]
        sign = SIGNS.get(token.text, token.text)
        if token.text == "<" and not token.after and self.closed_later():
            return [self.scripts(self.operand())]
        if token.text == "|" and not token.after:
            return [self.scripts(self.operand())]
        if token.kind == "sign" and token.text not in {"(", "[", "{"}:
            self.place += 1
            if sign in {"^", "_", "}"}:
                raise ValueError("nothing to stand at")
            return [operator(sign, first, token)]
        if token.kind == "dots":
            self.place += 1
            return ["<mo>…</mo>"]
        gap = [] if first or not token.before else self.gap()
        return [*gap, self.scripts(self.operand())]

    def closed_later(self) -> bool:
        """Whether a `<` is an opening bracket: a `>` follows that stands at what it closes."""
        later = self.tokens[self.place + 1 :]
        return any(token.text == ">" and not token.before for token in later)

    def gap(self) -> list[str]:
        """A thin space where two operands stand beside each other."""
        previous = self.tokens[self.place - 1]
        if previous.kind == "sign" and previous.text not in {")", "]", "}", "'", "!", "|", ">"}:
            return []
        wide = any(
            token.kind == "word" and len(token.text) > 1 and not known(token.text)
            for token in (previous, self.tokens[self.place])
        )
        return [f'<mspace width="{"0.3" if wide else "0.17"}em"></mspace>']

    def operand(self) -> str:
        """A number, a symbol or what stands in brackets."""
        token = self.tokens[self.place]
        self.place += 1
        if token.kind == "number":
            return f"<mn>{token.text}</mn>"
        if token.kind == "dots":
            return "<mo>…</mo>"
        if token.kind == "word":
            return self.word(token)
        if token.text in {"(", "["}:
            closing = {"(": ")", "[": "]"}[token.text]
            return bracketed(token.text, self.until(closing), closing)
        if token.text == "{":
            return bracketed("{", self.until("}"), "}")
        if token.text == "<":
            return bracketed("⟨", self.until(">"), "⟩")
        if token.text == "|":
            return bracketed("|", self.until("|"), "|")
        raise ValueError(f"{token.text} is no operand")

    def word(self, token: Token) -> str:
        """A letter, the name of a function or of a slot."""
        text = token.text
        opens = self.place < len(self.tokens) and self.tokens[self.place].text == "("
        if text in BRACKETS and opens and not token.after:
            self.place += 1
            left, right = BRACKETS[text]
            return bracketed(left, self.until(")"), right)
        if text == "sum" and not self.in_words():
            return '<mo largeop="false" movablelimits="false">∑</mo>'
        if text in GREEK:
            return f"<mi>{GREEK[text]}</mi>"
        if len(text) == 1:
            return f"<mi>{text}</mi>"
        if text == "log" and self.place < len(self.tokens):
            base = self.tokens[self.place]
            if base.text == "2" and not base.before:
                self.place += 1
                return "<msub><mi>log</mi><mn>2</mn></msub>"
        return f"<mi>{escape(text)}</mi>"  # upright, as it has several letters

    def in_words(self) -> bool:
        """Whether a sum is said in words: `sum of blocks`, `sum over f`."""
        return any(token.text in {"of", "over"} for token in self.tokens[self.place :][:1])

    def scripts(self, base: str) -> str:
        """An operand with what stands below and above it."""
        below, above = "", ""
        while self.place < len(self.tokens):
            token = self.tokens[self.place]
            if token.before:
                break
            if token.text == "_" and not below:
                self.place += 1
                below = self.script()
            elif token.text in {"^", "**"} and "<mi>" not in above:
                self.place += 1
                above += self.script()
            elif token.text == "'":
                self.place += 1
                above += "<mo>′</mo>"
            elif token.text == "*" and self.starred(token):
                self.place += 1
                above += "<mo>∗</mo>"
            elif token.text in {"!", "!!"}:
                self.place += 1
                base = f"<mrow>{scripted(base, below, above)}<mo>{token.text}</mo></mrow>"
                below = above = ""
            else:
                break
        return scripted(base, below, above)

    def starred(self, token: Token) -> bool:
        """Whether `*` is a star, as in `m*`, and no product, as in `R*m`."""
        following = self.tokens[self.place + 1 :][:1]
        return not following or token.after or following[0].text in {")", "]", "}", ","}

    def script(self) -> str:
        """What stands after `_` or `^`: one operand, with its own indices, or a group whose
        brackets are not shown.
        """
        token = self.tokens[self.place]
        if token.text in {"{", "("}:
            self.place += 1
            return f"<mrow>{''.join(self.until({'{': '}', '(': ')'}[token.text]))}</mrow>"
        if token.text == "-":
            self.place += 1
            return f"<mrow><mo>−</mo>{self.scripts(self.operand())}</mrow>"
        if token.kind == "number":
            self.place += 1
            following = self.tokens[self.place] if self.place < len(self.tokens) else None
            if following and following.kind == "word" and not following.before:
                self.place += 1
                return f"<mrow><mn>{token.text}</mn>{self.word(following)}</mrow>"
            return f"<mn>{token.text}</mn>"
        if token.text == "[":
            return self.operand()
        written = self.operand()
        opens = self.place < len(self.tokens) and self.tokens[self.place].text == "("
        if token.text in {"min", "max"} and opens and not token.after:  # an index that is computed
            return f"<mrow>{written}{self.operand()}</mrow>"
        return written


def scripted(base: str, below: str, above: str) -> str:
    """MathML of an operand with an index, an exponent, both or none."""
    above = f"<mrow>{above}</mrow>" if above else ""
    if below and above:
        return f"<msubsup>{base}{below}{above}</msubsup>"
    if below:
        return f"<msub>{base}{below}</msub>"
    return f"<msup>{base}{above}</msup>" if above else base


def bracketed(left: str, inside: list[str], right: str) -> str:
    """MathML of what stands in brackets."""
    content = "".join(inside).replace("<!--break-->", "")
    return (
        f'<mrow><mo fence="true" stretchy="false" form="prefix">{left}</mo>{content}'
        f'<mo fence="true" stretchy="false" form="postfix">{right}</mo></mrow>'
    )


def operator(sign: str, first: bool, token: Token) -> str:
    """MathML of a sign; a line may break after one between operands."""
    if sign in {",", ";"}:
        return f"<mo separator='true'>{sign}</mo><!--break-->"
    if sign == "/" and not token.before:
        return '<mo lspace="0" rspace="0">/</mo>'
    if sign == "'":
        return "<mo>′</mo>"
    if (first or not token.after) and sign in {"−", "+"} and (first or token.before):
        return f'<mo form="prefix">{sign}</mo>'
    mark = "<!--break-->" if sign in RELATIONS or sign in {"+", "−", "/"} else ""
    return f'<mo form="infix">{escape(sign)}</mo>{mark}'
