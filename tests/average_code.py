"""The code by which the bound for errors on average is proven: facts, described with the help of
answers to queries from some subjects, of which some are wrong.

A word is a list of (digit, how many there are). One walk writes it and reads it.
"""

import itertools


class Writer:
    """Knows the facts, and writes down which of several options is theirs."""

    def __init__(self):
        self.word = []

    def choose(self, options, true):
        options = list(options)
        self.word.append((options.index(true()), len(options)))
        return options[self.word[-1][0]]


class Reader:
    """Knows the word alone."""

    def __init__(self, word):
        self.word = iter(word)

    def choose(self, options, true):
        options = list(options)
        digit, count = next(self.word)
        assert count == len(options)
        return options[digit]


def walk(codec, n, r, hops, subjects, said, facts=None):
    """The facts, {(relation, entity): image}, and the entities whose edges the answers show.

    Args:
        codec: a Writer, with facts (an array (R, N)); or a Reader, without.
        subjects: the roots, known to both.
        said: known to both, {(subject, word): answer}; any answer may be wrong or no entity.
    """
    left = [list(range(n)) for _ in range(r)]
    image = {}

    def describe(entity):
        for q in range(r):
            if (q, entity) not in image:
                chosen = codec.choose(left[q], lambda q=q: facts[q, entity])
                image[q, entity] = int(chosen)
                left[q].remove(chosen)

    level = {s: (s, ()) for s in sorted(subjects)}
    earlier = set()
    for _ in range(hops - 1):
        for entity in level:
            describe(entity)
        earlier |= set(level)
        level = {image[q, e]: (s, (*word, q)) for e, (s, word) in level.items() for q in range(r)}
    last = {e: path for e, path in level.items() if e not in earlier}
    for entity in range(n):
        if entity not in last:
            describe(entity)
    places = [(q, e) for q in range(r) for e in last]
    shown = {(q, e): said[last[e][0], (*last[e][1], q)] for q, e in places}
    wrong = [at for at in places if facts is not None and shown[at] != facts[at]]
    count = codec.choose(range(n * r + 1), lambda: len(wrong))
    chosen = codec.choose(itertools.combinations(places, count), lambda: tuple(wrong))
    for q in range(r):
        kept = {at: shown[at] for at in places if at[0] == q and at not in chosen}
        image |= kept
        free = [value for value in left[q] if value not in kept.values()]
        again = [at for at in chosen if at[0] == q]
        refilled = codec.choose(
            itertools.permutations(free), lambda again=again: tuple(facts[at] for at in again)
        )
        image |= dict(zip(again, map(int, refilled), strict=True))
    return image, set(last)
