"""The bits that are measured of a model, beside those of the formulas."""

from bounds.sizes import predicted, predicted_for_bijections
from constructions import CATALOGUE, FactTable
from verify.cells.against_bounds import hold_against_bounds
from verify.queries import capacity as module
from verify.queries.capacity import format_of


def measured_equals_formula(name, facts, hops, given_options):
    """A table that is no tuple of bijections may leave a value of the format unused, and then take
    fewer bits.
    """
    entry = CATALOGUE[name]
    model = entry.build(facts, hops, given_options)
    reference = model
    if facts.is_bijective:
        reference = entry.build(
            FactTable.rotations(facts.n_entities, facts.n_relations), hops, given_options
        )
    found = module.capacity(model, format_of(reference))
    assert not found.outside
    assert found.description == 0
    assert not (
        facts.is_bijective
        and found.other_unembedding
        and not predicted_unembedding(entry, facts, hops)
    )
    settled = dict(given_options or {}) | entry.settled(model)
    expected = predicted(entry, facts, hops, settled)
    for bits in ("internal_bits", "embedding_bits", "unembedding_bits"):
        assert getattr(found, bits) <= getattr(expected, bits)
        assert getattr(found, bits) == getattr(expected, bits) or not facts.is_bijective


def predicted_unembedding(entry, facts, hops):
    return predicted(entry, facts, hops if entry.multi_hop else 1).unembedding_fact_bits


def separated(n, r, k, given):
    costs = predicted_for_bijections(CATALOGUE["chain_of_thought"], n, r, k, given)
    return hold_against_bounds(costs, n, r, k, bijective=True).separation, costs
