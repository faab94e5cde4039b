"""What a fact file means by the grammar and the words of docs/fact-files.md: no code of the
product.

The grammar is read from the page itself, so that the page is what the readers are compared with.
"""

import re
import unicodedata
from functools import cache
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "fact-files.md"
_TOKEN = re.compile(
    r'\s+|;[^\n]*|(?P<text>%s"[^"]*"|"[^"]*")|(?P<range>%x[0-9A-F-]+)|(?P<rule>[A-Za-z-]+)|(?P<mark>[*()\[\]/])'
)


@cache
def rules():
    """The rules of the grammar, each as a compiled regular expression."""
    (block,) = re.findall(r"```abnf\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    parts = re.split(r"^([A-Za-z-]+) +=", block, flags=re.MULTILINE)[1:]
    bodies = dict(zip(parts[::2], parts[1::2], strict=True))
    return {name: re.compile(_Rule(bodies, body).pattern) for name, body in bodies.items()}


class _Rule:
    """A rule's body as the pattern of a regular expression."""

    def __init__(self, bodies, body):
        self.bodies = bodies
        found = list(_TOKEN.finditer(body))
        assert "".join(match[0] for match in found) == body, f"no ABNF: {body}"
        self.tokens = [(match.lastgroup, match[0]) for match in found if match.lastgroup]
        self.pattern = self.alternatives()
        assert not self.tokens, f"left over: {self.tokens}"

    def alternatives(self):
        choices = [self.sequence()]
        while self.tokens and self.tokens[0][1] == "/":
            self.tokens.pop(0)
            choices.append(self.sequence())
        if all(re.fullmatch(r"\[[^\[\]]*\]", choice) for choice in choices):
            return f"[{''.join(choice[1:-1] for choice in choices)}]"
        return f"(?:{'|'.join(choices)})"

    def sequence(self):
        items = []
        while self.tokens and self.tokens[0][1] not in ("/", ")", "]"):
            kind, token = self.tokens.pop(0)
            repeated = token == "*"
            if repeated:
                kind, token = self.tokens.pop(0)
            items.append(self.element(kind, token) + ("*" if repeated else ""))
        return "".join(items)

    def element(self, kind, token):
        if kind == "text":
            return re.escape(token.removeprefix("%s").strip('"'))
        if kind == "range":
            return f"[{'-'.join(re.escape(chr(int(end, 16))) for end in token[2:].split('-'))}]"
        if kind == "rule":
            return _Rule(self.bodies, self.bodies[token]).pattern
        inner = self.alternatives()
        self.tokens.pop(0)
        return inner if token == "(" else f"(?:{inner})?"


def stated(raw):
    """The facts that the bytes of a file state, as a set of triples; None if it is to be refused.

    What is refused although it fits the grammar, as coming from another format, is not looked at.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    literal = lines[0] == "#literal"
    body = rules()["literal-file" if literal else "plain-file"]
    if not rules()["fact-file"].fullmatch(text) or not body.fullmatch(text.removeprefix("\ufeff")):
        return None
    if "#literal" in lines[1:]:
        return None
    fact = rules()["fact" if literal else "plain-fact"]
    facts = {tuple(line.split("\t")) for line in lines if fact.fullmatch(line)}
    entities = {name for subject, _, target in facts for name in (subject, target)}
    relations = {relation for _, relation, _ in facts}
    if not facts or len({(subject, relation) for subject, relation, _ in facts}) < len(facts):
        return None
    for names in (entities, relations):
        if len({unicodedata.normalize("NFC", name) for name in names}) < len(names):
            return None
    return facts
