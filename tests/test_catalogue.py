"""The catalogue is complete: every construction has formulas, a test, a proof page and a row in
the docs.
"""

import re
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path

import pytest

import constructions
from bounds.sizes import Costs, predicted, predicted_for_bijections
from bounds.symbols import SYMBOLS, Expressions, expression
from constructions import CATALOGUE, FactTable, InputError, construction
from constructions.public import defined_in, stub
from verify.cli.reports.catalogue import catalogue_table

ROOT = Path(__file__).parent.parent
FORMULAS = tuple(field.name for field in fields(Costs))


def gaps(entry):
    """Everything an entry of the catalogue lacks."""
    sizing = entry.sizing(Expressions(**SYMBOLS))
    found = [name for name in FORMULAS if getattr(sizing, name) is None]
    test = ROOT / "tests" / "theorems" / f"test_{entry.file}.py"
    if not test.is_file() or f"{entry.builder_name}(" not in test.read_text():
        found.append(f"a test that calls {entry.name}")
    page = ROOT / "docs" / "theorems" / f"{entry.file}.md"
    if (
        not page.is_file()
        or entry.builder_name not in page.read_text()
        or "Proof" not in page.read_text()
    ):
        found.append(f"a page with the proof of {entry.name}")
    source = ROOT / "constructions" / "theorems" / f"{entry.file}.py"
    if not source.is_file() or f"def {entry.builder_name}(" not in source.read_text():
        found.append("a builder")
    if not entry.claim:
        found.append("a claim")
    return found


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_nothing_is_missing(entry):
    assert gaps(entry) == []
    sizes = [expression(lambda s, name=name: getattr(entry.sizing(s), name)) for name in FORMULAS]
    assert all(size.free_symbols <= set(SYMBOLS.values()) for size in sizes)
    assert getattr(constructions, entry.builder_name) is entry.constructor()
    assert entry.builder_name in constructions.__all__


@pytest.mark.parametrize(
    "change",
    [
        {"sizing": lambda s: replace(CATALOGUE["selector"].sizing(s), d_mlp=None)},
        {"builder": "theorem_4_5.selector"},
        {"builder": "theorem_F_1.selector"},
        {"builder": "theorem_4_1.superposition"},
        {"claim": ""},
    ],
)
def test_a_gap_is_noticed(change):
    assert gaps(replace(CATALOGUE["selector"], **change)) != []


def formulas_elsewhere(entry):
    """Whether the size formulas are not in the file of that name in constructions/sizes/."""
    module = import_module(f"constructions.sizes.{entry.file}")
    return entry.sizing is not getattr(module, entry.name, None)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_the_formulas_stand_in_a_file_of_the_name_of_the_builders(entry):
    assert not formulas_elsewhere(entry)
    others = [other.sizing for other in CATALOGUE.values() if other is not entry]
    assert all(formulas_elsewhere(replace(entry, sizing=sizing)) for sizing in others)


def test_every_public_builder_is_in_the_catalogue():
    """A function that takes facts and plans a FactModel is a construction."""
    found = []
    for source in (ROOT / "constructions").rglob("*.py"):
        for name in re.findall(
            r"^def ([a-z]\w*)\(\s*facts: FactTable[^)]*?\) -> Plan\[FactModel\]:",
            source.read_text(),
            re.M | re.S,
        ):
            found.append(name)
            builders = {entry.builder_name for entry in CATALOGUE.values()}
            assert name in builders, f"{source.name}: {name}"
    assert len(found) > 5


def test_the_table_in_the_docs_is_the_catalogue():
    assert catalogue_table() in (ROOT / "docs" / "README.md").read_text()


@pytest.mark.parametrize(
    "page", [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")], ids=lambda page: page.name
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_pages_are_listed_in_the_index():
    index = ROOT / "docs" / "README.md"
    pages = {page.relative_to(index.parent) for page in ROOT.glob("docs/**/*.md") if page != index}
    assert [page for page in pages if f"]({page})" not in index.read_text()] == []


def test_the_typed_stub_is_made_of_the_table_of_public_names():
    """Type checkers and editors see what the package gives, and the table is of what exists."""
    assert (ROOT / "constructions" / "__init__.pyi").read_text() == stub()
    for name, module in defined_in().items():
        assert getattr(constructions, name).__module__ == module, name


def test_unknown_names_and_symbols_are_refused():
    with pytest.raises(InputError, match="no construction is named 'select'; there are selector,"):
        construction("select")
    with pytest.raises(AttributeError, match="surprise"):
        expression(lambda s: s.R * s.m + s.surprise)
    selector = CATALOGUE["selector"]
    broken = replace(selector, sizing=lambda s: replace(selector.sizing(s), d_mlp=s.R / 3))
    with pytest.raises(ValueError, match="not an integer"):
        predicted(broken, FactTable([[0, 1]]))


def test_lazy_names_are_public_and_errors_plain():
    assert set(dir(constructions)) == set(constructions.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        constructions.nonsense  # noqa: B018


def test_costs_are_free_of_building_anything():
    cost = predicted_for_bijections(CATALOGUE["key_value_rows_shared"], 2**40, 16, 3)
    assert cost.internal_fact_bits == 2**40 * 16 * 40
    assert (
        predicted_for_bijections(CATALOGUE["chain_of_thought"], 10**6, 50, 3).written_tokens == 3
    )


def test_no_module_hides_what_is_offered_by_the_same_name():
    modules = {path.stem for path in Path(constructions.__file__).parent.iterdir()}
    assert modules & set(constructions.__all__) == set()
    assert [name for name in constructions.__all__ if getattr(constructions, name) is None] == []
