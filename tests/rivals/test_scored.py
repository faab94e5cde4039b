"""A memory is measured by asking every fact; controls that must be noticed."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from verify.learned.answered import Answered, Prompts
from verify.rivals import constructed, trained
from verify.rivals.all import ALL
from verify.rivals.limit import LEVELS, limit, queries_of, wrong_of
from verify.rivals.memory import Built, Memory
from verify.rivals.prompts import prompts_of
from verify.rivals.scored import Level, score
from verify.rivals.searches import SEARCHES, Search
from verify.rivals.work import Work
from verify.runner.job import Job
from verify.runner.outcome import Lost
from verify.runner.stored import decode, encode

WORK = Work(16, 3, seed=5)


class Table(nn.Module):
    """The answers as one-hot rows: of the first so many facts, or hidden in a buffer."""

    def __init__(self, work, size, hidden=False):
        super().__init__()
        self.n, self.r = work.n_entities, work.n_relations
        _, answers = prompts_of(work)
        rows = nn.functional.one_hot(torch.from_numpy(answers[:, 0]), self.n).float()
        rows[size:] = 0
        if hidden:
            self.register_buffer("rows", rows)
            self.given = nn.Parameter(torch.zeros(1))
        else:
            self.rows = nn.Parameter(rows)

    def forward(self, tokens):
        return self.rows[tokens[:, 0] * self.r + tokens[:, 1] - self.n]


def table_memory(hidden=False, change=lambda module: None):
    """A memory whose size is how many facts it stores."""

    def build(work, size):
        module = Table(work, size, hidden)
        with torch.no_grad():
            change(module)
        return Built(module, work.n_entities, 0, ())

    return Memory(
        "table", "ours", "width", "written", lambda work: "", lambda work: (1, 48), build
    )


def test_the_smallest_sizes_of_a_table_are_those_of_the_levels():
    found = score(table_memory(), WORK)
    assert found.queries == 48
    assert [level.size for level in found.levels] == [48, 48, 44]
    assert [level.right for level in found.levels] == [48, 48, 44]
    assert [level.margin for level in found.levels] == [1.0, 1.0, 0.0]
    first = found.levels[0]
    assert (first.stored, first.given, first.inside, first.precision) == (768, 0, 768, 1)
    assert 768 < first.bits < 768 + 5 + 6 + 20  # one bit each; b, size, and the grid
    assert not found.below
    assert all(level.failed_above == () for level in found.levels)


def test_margins_of_one_entity_and_of_infinite_logits():
    """Where there is no other answer the margin is infinite; infinity less infinity is wrong."""
    alone = Prompts(np.array([[0, 1]]), np.array([[0]]))

    class One(nn.Module):
        def __init__(self, row):
            super().__init__()
            self.row = nn.Parameter(torch.tensor(row))

        def forward(self, tokens):
            return self.row.expand(len(tokens), -1)

    assert Answered(One([0.0]), alone).score({}).margin == math.inf
    assert Answered(One([math.inf, 0.0]), alone).score({}).margin == math.inf
    broken = Answered(One([math.inf, math.inf]), alone).score({})
    assert (broken.right, broken.margin) == (0, -math.inf)


def test_an_injected_wrong_answer_is_found():
    """With one row exchanged no size recalls everything; 90 % are still there."""

    def swap(module):
        module.rows[[3, 4]] = module.rows[[4, 3]]

    found = score(table_memory(change=swap), WORK)
    assert [level.size for level in found.levels] == [None, None, 46]
    assert found.levels[2].right == 44
    assert max(right for _, right in found.tried) == 46


def test_facts_in_a_buffer_lie_below_the_limit():
    found = score(table_memory(hidden=True), WORK)
    assert [level.stored for level in found.levels] == [1, 1, 1]
    assert [level.given for level in found.levels] == [768, 768, 768]
    assert found.below == list(found.levels)
    assert limit(WORK, 100) == pytest.approx(3 * math.log2(math.factorial(16)))


def test_the_limit_of_paths_is_the_sharpened_global_bound():
    """For R >= 2 it is `R log2 N!` less a bit or two log2 N, embeddings counted with the rest."""
    work = Work(64, 4, 2)
    assert limit(work, 100) == pytest.approx(4 * math.log2(math.factorial(64)) - 1)
    assert 0 < limit(work, 90) < limit(work, 99) < limit(work, 100)


def test_a_chain_is_right_where_all_that_it_writes_is():
    """Three chains of two tokens: all right, the last alone, none."""
    tokens, answers = np.zeros((3, 4), np.int64), np.array([[1, 2]] * 3)
    said = torch.tensor([[0, 0, 1, 2], [0, 0, 0, 2], [0, 0, 2, 1]])
    module = nn.Module()
    module.forward = lambda asked: nn.functional.one_hot(said, 3).float()
    score = Answered(module, Prompts(tokens, answers)).score({})
    assert (score.right, score.margin) == (1, -1.0)


def test_what_is_chosen_by_the_facts_is_charged():
    memory = table_memory()
    chosen = replace(memory, build=lambda *a: replace(memory.build(*a), chosen_bits=17))
    for one, other in zip(score(memory, WORK).levels, score(chosen, WORK).levels, strict=True):
        assert other.bits == one.bits + 17


def test_a_size_is_charged_as_one_of_those_that_are_tried():
    memory = table_memory()
    one = replace(memory, sizes=lambda work: (48, 48))
    assert score(memory, WORK).levels[0].bits == score(one, WORK).levels[0].bits + 6


@pytest.mark.long
@pytest.mark.parametrize(("answers", "hops"), [("shared", 1), ("shared", 2), ("disjoint", 1)])
def test_every_construction_recalls_all_or_says_why_not(answers, hops):
    work = Work(8, 2, hops, answers, seed=3)
    measured = 0
    for memory in constructed.MEMORIES:
        if why := memory.lacks(work):
            assert len(why) < 60
            continue
        found = score(memory, work)
        measured += 1
        for level in found.levels:
            assert (level.size, level.right) == (1, queries_of(work)), memory.name
            assert level.margin > 0
            assert not level.is_below
    assert measured > 5


def test_numbers_that_16_bits_do_not_hold_are_kept_as_they_are():
    def fine(module):
        module.rows.copy_(module.rows * 2.0**-30 + torch.arange(48.0)[:, None] * 2.0**10)

    found = score(table_memory(change=lambda m: fine(m.double())), Work(16, 3, seed=5))
    first = found.levels[0]
    assert not first.rounded
    assert first.precision > 40
    assert first.bits > 768 * first.precision + 5 + 6  # the grid is charged as well


def test_a_trained_model_is_searched_by_its_dimension(monkeypatch):
    monkeypatch.setattr(trained, "STEPS", 100)
    work = Work(8, 2, seed=1)
    found = score(replace(trained.ONE_LAYER, sizes=lambda work: (4, 16)), work)
    assert [level.size for level in found.levels] == [level.dimension for level in found.levels]
    assert found.levels[0].right == 16
    assert found.levels[0].width == 16
    assert not found.below


def test_a_job_is_named_by_memory_and_work_and_its_result_can_be_stored():
    name = next(iter(ALL))
    one, other = (Search(name, Work(5, 2, seed=seed)) for seed in (1, 2))
    assert Job(SEARCHES, one, "code").key != Job(SEARCHES, other, "code").key
    found = SEARCHES.run(one)
    assert decode(type(found), encode(found)) == found
    assert SEARCHES.cost(one).seconds > 0
    lost = SEARCHES.lost(one, Lost("out of memory", crashed=False))
    assert (lost.lost, lost.levels, lost.below) == ("out of memory", (), [])


def test_levels_allow_as_many_wrong_ones():
    work = Work(25, 8)
    assert [wrong_of(work, level) for level in LEVELS] == [0, 2, 20]
    assert Level(100, 50.0, size=1, bits=49).is_below
    assert not Level(100, 50.0, size=1, bits=50).is_below
    assert not Level(100, 50.0).is_below
