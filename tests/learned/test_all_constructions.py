"""Every construction that answers at once can be measured, whatever comes out."""

import pytest

from constructions import CATALOGUE
from verify.learned.adapters import of
from verify.learned.attention import attention
from verify.learned.claimed import claimed_by
from verify.learned.finding import find
from verify.learned.intervention import intervention
from verify.learned.recall import recall
from verify.learned.superposition import superposition
from verify.learned.transfer import after_steps, zero_step

AT_ONCE = [name for name, entry in CATALOGUE.items() if "4.4" not in entry.theorem]


@pytest.mark.parametrize("name", AT_ONCE)
def test_every_construction_is_measured(name):
    """Two hops count as four relations; there the fit is refused, as 40 subjects are too few for
    unembeddings of six bits, and are enough for those of three digits.
    """
    entry = CATALOGUE[name]
    hops = 2 if entry.multi_hop else 1
    model = entry.build(entry.random_facts(40, 2, 1), hops)
    decoder, answers = of(model), claimed_by(model)
    assert decoder.n_relations == 2**hops
    assert recall(decoder, answers).value == 1
    assert 0 <= attention(decoder).measure.value <= 1
    assert after_steps(decoder, answers, steps=2).value < 1
    found = superposition(decoder, answers)
    if entry.multi_hop and name != "precomputed_digits":
        assert "numbers for each coordinate" in found.refused
        assert intervention(decoder, answers).both.refused == found.refused
        assert find(decoder, answers).subspaces == {}
    else:
        assert found.value > 0.99
        assert intervention(decoder, answers).both.value == 1
        assert zero_step(decoder, answers).value == 1
        assert sorted(find(decoder, answers).subspaces) == list(range(2**hops))
