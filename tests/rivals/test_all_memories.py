"""The list of all memories."""

from dataclasses import replace

import pytest

from constructions import CATALOGUE
from constructions.guards.errors import InternalError
from verify.rivals import memories
from verify.rivals.all import ALL, by_name, of_others
from verify.rivals.work import Work


def test_every_construction_is_a_memory_and_names_are_short():
    assert list(ALL)[: len(CATALOGUE)] == list(CATALOGUE)
    assert all(0 < len(name) <= 33 for name in ALL)
    assert all(memory.source for memory in ALL.values())


@pytest.mark.parametrize("name", ALL)
def test_a_memory_of_one_or_two_facts_can_be_built(name):
    for work in (Work(1, 1, seed=1), Work(2, 1, seed=1)):
        if not ALL[name].lacks(work):
            size = ALL[name].sizes(work)[0]
            module = ALL[name].build(work, size).module
            assert all(one.isfinite().all() for one in module.parameters())


def test_a_file_with_a_list_is_found(tmp_path, monkeypatch):
    first = next(iter(ALL.values()))
    file = tmp_path / "another_one.py"
    file.write_text(
        "from dataclasses import replace\n"
        "from verify.rivals.all import ALL\n"
        "MEMORIES = [replace(next(iter(ALL.values())), name='another')]\n"
    )
    (tmp_path / "a_part.py").touch()
    monkeypatch.setattr(memories, "__path__", [str(tmp_path)])
    assert of_others() == [replace(first, name="another")]


def test_no_two_memories_have_the_same_name():
    first = next(iter(ALL.values()))
    with pytest.raises(InternalError, match=f"two memories have the name {first.name}"):
        by_name([first, first])


@pytest.mark.parametrize(
    "work", [Work(16, 4), Work(16, 4, 2), Work(16, 4, answers="disjoint")], ids=str
)
def test_what_is_lacking_is_said_in_a_few_words_and_sizes_rise(work):
    for memory in ALL.values():
        if why := memory.lacks(work):
            assert len(why) < 80, memory.name
        else:
            least, most = memory.sizes(work)
            assert 1 <= least <= most, memory.name
