"""There is one version, and CITATION.cff is what tools that cite software can read."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import constructions

ROOT = Path(__file__).parent.parent
CITATION = (ROOT / "CITATION.cff").read_text()
REQUIRED = {"cff-version", "message", "title", "authors", "version", "license", "type"}
"""The first four by the format itself, version 1.2.0; the others are what we say."""


def scalar(text):
    """A value on one line: quoted, a whole number, or a word."""
    if text.startswith('"'):
        assert text.endswith('"'), text
        assert not set(text[1:-1]) & set('"\\\\'), text
        return text[1:-1]
    assert re.fullmatch(r"[\w.+-]+", text), f"{text} must be quoted"
    return int(text) if text.isdecimal() else text


def read(lines, indent=0):
    """The YAML that the file keeps to: mappings and lists by indentation, a value on a line.
    Takes the lines that it reads off the front of `lines`.
    """
    found = None
    while lines and len(lines[0]) - len(lines[0].lstrip()) == indent:
        line = lines[0][indent:]
        if line.startswith("- "):
            found = [] if found is None else found
            lines[0] = " " * (indent + 2) + line[2:]
            is_value = line[2:].startswith('"')
            found.append(scalar(lines.pop(0).strip()) if is_value else read(lines, indent + 2))
            continue
        found = {} if found is None else found
        key, colon, value = lines.pop(0).strip().partition(":")
        assert colon, f"no key: {line}"
        assert key not in found, f"twice: {key}"
        found[key] = scalar(value.strip()) if value else read(lines, indent + 2)
    assert found is not None, lines[:1]
    return found


def citation(text):
    """The whole file."""
    lines = text.rstrip("\n").split("\n")
    found = read(lines)
    assert not lines, f"wrongly indented: {lines[0]}"
    return found


def test_the_citation_is_yaml_with_all_that_is_required():
    found = citation(CITATION)
    assert found.keys() >= REQUIRED
    assert found["cff-version"] == "1.2.0"
    assert found["type"] == "software"
    (paper,) = found["references"]
    assert paper["url"].endswith("2605.12426")
    assert [author["family-names"] for author in paper["authors"]] == [
        "Ravfogel",
        "Yehudai",
        "Bruna",
        "Bietti",
    ]
    if find_spec("yaml"):
        import yaml

        assert yaml.safe_load(CITATION) == found


def test_a_file_that_is_no_such_yaml_is_refused():
    for text in ("title\n", "a: 1\na: 2\n", "a: b: c\n", "a:\n   b: 1\n", 'a: "b\n'):
        with pytest.raises(AssertionError):
            citation(text)


def test_there_is_one_version():
    """That of the package, which pyproject.toml reads, and CITATION.cff repeats."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "constructions.__version__"
    }
    assert citation(CITATION)["version"] == constructions.__version__
    assert f"{constructions.__version__} will be" in (ROOT / "CHANGELOG.md").read_text() or (
        f"## [{constructions.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    )


def test_authors_licence_and_words_are_those_of_the_other_files():
    found, project = citation(CITATION), tomllib.loads((ROOT / "pyproject.toml").read_text())
    (author,) = found["authors"]
    assert f"(c) 2026 {author['name']}\n" in (ROOT / "LICENSE").read_text()
    described = project["project"]
    assert found["license"] == described["license"]
    assert found["title"] == described["name"]
    assert found["keywords"] == described["keywords"]
    assert found["abstract"] == f"{described['description']}."
