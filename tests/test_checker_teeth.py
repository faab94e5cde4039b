"""Faults planted in copies of the checker: each makes it refuse what is right, or accept what is
wrong, and is noticed.
"""

import pytest
from battery import Battery, honest_models
from exploits import EXPLOITS, ROUNDED
from planted import planted_among

from constructions import CATALOGUE
from verify import checker, described, stored, symbolic

FAULTS = {
    checker: [
        # what is told of what went wrong
        ('return Verdict("FAIL", stored.escaped(_brief(str(error))))', 'return Verdict("PASS")'),
        (
            'return Verdict("UNKNOWN", stored.escaped(_brief(str(error))))',
            'return Verdict("PASS")',
        ),
        # softmax
        ("2718281828", "2918281828"),
        ("1442 *", "1443 *"),
        ("return Fraction(others) / (others + power)", "return 1 / (1 + power)"),
        ("if gap < 100 else", "if gap < 10**9 else"),
        # the task
        (
            "self.some_missing = bool((self.table[:, : self.n] == self.n).any())",
            "self.some_missing = False",
        ),
        ('] * shape["repeats"]', "]"),
        ('require(bytes(files["certificate.json"]) == text.encode()', "require(True"),
        ('require(found["claim"] == kind', "require(True"),
        ("same = found[name] == value and", "same ="),
        ("== value and type(found[name]) is type(value)", "== value"),
        ('require(set(found) == {"claim", *told, *proven}', "require(True"),
        ("(k if self.chain else 0)", "k"),
        ("steps = -(-k // self.per_token)", "steps = k // self.per_token"),
        ("range(1 if self.chain else k, k + 1)", "range(k, k + 1)"),
        ("n * r**length", "n + r**length"),
        ('require(task["queries"] == queries', "require(True"),
        ("require(name not in self.slots", "require(True"),
        ("require(end == self.d", "require(True"),
        ("in range(1, steps + 2):", "in range(1, steps + 1):"),
        ("min(self.per_token, left)) + 1)", "min(self.per_token, left)))"),
        ("if self.peak >= 2 ** EXACT[self.dtype]:", "if False:"),
        ("if self.gap < ONE_HOT_GAP:", "if False:"),
        ("if bits > FINITE[self.dtype]:", "if False:"),
        (
            "margin, real = min(m for m, _ in self.margins)",
            "margin, real = max(m for m, _ in self.margins)",
        ),
        ("min(m for _, m in self.margins)", "max(m for _, m in self.margins)"),
        ("require(next(self.claims, None) is None", "require(True"),
        (".swapaxes(0, 1).reshape(-1", ".reshape(-1"),
        # blocks
        ('require(set(block) == {"slot"', 'require(True or {"slot"'),
        ("np.arange(low, high)).ravel()", "np.arange(high - low)).ravel()"),
        ("require((length[columns] < 0).all()", "require(True"),
        ('require((block["form"] == "number") == (m == 0)', "require(True"),
        ('"signs": (-1, 2)', '"signs": (-1, 1)'),
        (
            'top[columns] = 1 if m else max(1, int(self.numbers[block["book"]].max()))',
            "top[columns] = 1",
        ),
        ("require(np.unique(spelled, axis=1).shape == spelled.shape", "require(True"),
        # the embedding
        ("if self.chain and self.some_missing:", "if False:"),
        ("for columns in fixed:", "for columns in ():"),
        (
            'for row, word, bit in stored.differing(found, wanted, "embedding.weight"):',
            "for row, word, bit in ():",
        ),
        ("require((number >= 0).all()", "require(True"),
        ("require((numbers[self.n] >= 0) | (reached < self.n).all()", "require(True"),
        ("layout.off[at] + layout.scale[at] * number", "layout.off[at] + number"),
        ("        look(slice(self.n, known), table[row_of[self.n : known]])", ""),
        ('        self._over("embedding", self.n, look)', ""),
        ("if (some[:, width:] != some[:, :-width]).any():", "if False:"),
        ('[case if then == "letters" else -1,', "[-1,"),
        (
            "beside: np.ndarray = np.ones(self.d, bool)",
            "beside: np.ndarray = np.zeros(self.d, bool)",
        ),
        ("numbers[self.n] = -1 if", "numbers[self.n] = 0 if"),
        # a run
        ("either = np.concatenate([self.letters, pad])", "either = self.letters"),
        ("else pad if n_letters < self.per_token else either", "else self.letters"),
        ("else pad if n_letters < self.per_token else either", "else pad"),
        ("if not n_letters and first - self.per_token < position < first:", "if False:"),
        (
            "pad = first + n_letters, self.special_rows[1:2]",
            "pad = first + n_letters, self.special_rows[2:3]",
        ),
        ("end - first == (0 if after is not None else len(letters))", "True"),
        ("require(self.used[self.columns(block)[0]].any()", "require(True"),
        ("require(not matrix.reads[self.stale].any()", "require(True"),
        ('require(not told.any(), f"{what} tells', 'require(True, f"{what} tells'),
        ("require(not told, ", "require(True, "),
        ("require(not rows[:, self.stale[beside]].any()", "require(True"),
        # heads
        (
            "require(not ((key.reads | value.reads) & moved).any()",
            "require(not (key.reads & moved).any()",
        ),
        (
            "require(not ((key.reads | value.reads) & moved).any()",
            "require(not (value.reads & moved).any()",
        ),
        ('raise Undecided(f"{what} mixes letters', '_ = (f"{what} mixes letters'),
        ("or (total.coef % count).any()", ""),
        ("or (total.const % count).any()", ""),
        ("count not in (1, 2, 4) or", ""),
        ("require(not len(asked.at)", "require(True"),
        ("scores.argmax(axis=1)", "scores.argmin(axis=1)"),
        ("gap -= 1", "pass"),
        ("if shaken > 1:", "if False:"),
        ("apart = int(read[-1]) + int(read[-2])", "apart = int(read[-1])"),
        ("_leak(gap, self.here) * apart", "_leak(gap, 1) * apart"),
        ("* apart * output.norm", "* apart"),
        ("self.error += error", "pass"),
        ("if (query.reads & moved).any():", "if False:"),
        ("*([self.free[position]] if position in self.free else [])", ""),
        ("part.const * chosen[:, None]", "part.const"),
        ("require(np.all(wanted == best)", "require(True"),
        ("require(not key.reads[self.subject.length >= 0].any()", "require(True"),
        ("require((keys == keys[0]).all()", "require(True"),
        ("if position in letters:", "if position in letters or len(token) > 1:"),
        # the MLP
        ("self.error *= 1 + gain", "self.error *= 1"),
        ("gain *= matrix.norm", "gain = matrix.norm"),
        ("self.moved |= mlp[-1].writes", "pass"),
        ("self.moved |= output.writes", "pass"),
        ('raise Undecided("a unit bends', '("a unit bends'),
        ("sharp = of_node & (n_variables[at] == bits) &", "sharp = of_node &"),
        ("& (most <= np.minimum.reduceat(np.abs(coef), first))", ""),
        ('raise Undecided("a unit depends', '("a unit depends'),
        (
            "(np.maximum(high, 0) - base[at]) // top[key]",
            "(np.maximum(high, 0) - low[at]) // top[key]",
        ),
        # the next node
        ("require(not unclear", "require(True"),
        ("& (coef == new.scale[column])", ""),
        ("& (x.const.ravel()[at] == new.off[column])", ""),
        ("(stop - start == 1)", "(stop - start >= 1)"),
        ("same &= (old.length[key] == length + new.length[column]) & (old.word[key] == word)", ""),
        ("& (old.word[key] == word)", ""),
        ("same &= (old.bit[key] == new.bit[column]) &", "same &="),
        ("if not same.all():", "if False:"),
        ("known[x.at % self.d] = False", "pass"),
        ("self.stale = ~known & (new.length < 0)", "pass"),
        ("known = (new.length < 0) & ~self.stale", "known = new.length < 0"),
        ('self.free[f"pass {number}"] = ', 'self.free["pass"] = '),
        ('self.free[f"pass {number}"] = ', "_ = "),
        ('raise Undecided("a number is claimed where', '("a number is claimed where'),
        ("(value[some] != wanted) | (number < 0)", "number < 0"),
        # the unembedding
        ("if end else fits", "if end and False else True"),
        ('[reads, then].count("letters") == (at_hand > 0)', "True"),
        (
            "target = np.where(reached == self.n, self.n + self.n_relations, reached)",
            "target = reached",
        ),
        ("np.array([self.n_vocab - 1])", "np.array([self.n_vocab - 2])"),
        ("- aside[target]", "+ aside[target]"),
        ("np.abs(g).sum(axis=1) + aside", "np.abs(g).sum(axis=1)"),
        ("coded = (size > 0) & (size ==", "coded = (size > 0) | (size =="),
        ("np.argsort(reach[rest])[-2:]", "np.argsort(reach[rest])[-1:]"),
        ("np.argsort(reach[rest])[-2:]", "np.argsort(reach[rest])[:2]"),
        ("np.where(target == token, margin, own - reach[token])", "margin"),
        (
            "total = 4 * error * self._norm(self.moved)",
            "total = 2 * error * self._norm(self.moved)",
        ),
        ("most - step)", "most - 2 * step)"),
        ("step = int(reach[tokens[0]]), 2 * int(", "step = int(reach[tokens[0]]), 4 * int("),
        ("lost if np.count_nonzero(answer) == bits else total", "lost"),
        ("if min(real) <= 0:", "if False:"),
        (
            "(Fraction(int(margin.min()), 2), min(real) / 2)",
            "(Fraction(int(margin.min())), min(real) / 2)",
        ),
        ("field = (slope == 2 * n) & (base == -n * n)", "field = slope == 2 * n"),
        ("margin = min(margin, int((number**2 - b - c * number).min()))", "pass"),
        (
            "self.margins.append((Fraction(margin), Fraction(margin)))",
            "self.margins.append((Fraction(margin), 2 * margin))",
        ),
        # overflow
        (
            "high += [asked, held, read, scores, mixed, stream]",
            "high += [asked, read, mixed, stream]",
        ),
        (".plus(Sizes(np.abs(self.positions).max(axis=0)))", ""),
        ('"float16": 15', '"float16": 100'),
        ('"float32": 24', '"float32": 30'),
    ],
    described: [
        ('require(found == entry["sha256"]', "require(True"),
        ("require(named == there", "require(True"),
        ("require(named <= FILES", "require(True"),
        ("require(len(tables) == 1", "require(True"),
        ("require(type(version) is int and version == FORMAT", "require(True"),
        ("require(_text(body | {", "require(True or ({"),
        ("require(accepts(value)", "require(True"),
        ("require(value.keys() <= keys", "require(True"),
        ('require(sizes["d_vocab"] == tokens', "require(True"),
        ('require(sizes["parameters"] == entries', "require(True"),
        ('require(size == entry["bytes"]', "require(True"),
        ("require(same, f", "require(True, f"),
        ("require(set(named) == set(tensors)", "require(True"),
        ("require(shape == (dtype", "require(True or (dtype"),
        ('require(named[name]["sha256"] == found', "require(True"),
        ("require(stated == extremes", "require(True"),
        ("require(fits, f", "require(True, f"),
        ("require(inside, f", "require(True, f"),
        ("(book[1:] > book[:-1]).all()", "True"),
    ],
    stored: [
        ("require(placed and", "require("),
        ('require(text[:1].tobytes() == b"{"', "require(True"),
        ('if text != "-0"', "if True"),
        ("require(trimmed, ", "require(True, "),
        ("require(not found, ", "require(True, "),
        ("require(at == len(data)", "require(True"),
        ("if not same.all():", "if False:"),
        ("require((same | (given << 1 == 0)).all()", "require(same.all()"),
        ("<< 16", "<< 15"),
        ("require(small,", "require(True,"),
        ("require(len(set(normal)) == len(kind)", "require(True"),
        ("require(names[n + n_relations :] == specials", "require(True"),
        ("require(facts.min() >= -1 and facts.max() < n", "require(True"),
        ('require(dtype == "I32" and facts.shape', "require(facts.shape"),
        ("table[table < 0] = n", "table[table < 0] = 0"),
        (
            "(held.view(bits) == wanted.view(bits)).all()",
            "(held.view(bits) == wanted.view(bits)).any()",
        ),
        (
            "integers(held, what) != integers(wanted, what))[:1]",
            "integers(held, what) != integers(wanted, what))[:0]",
        ),
        (
            "(numbers.astype(np.float32).view(np.uint32) >> 16)",
            "(numbers.astype(np.float32).view(np.uint32) >> 15)",
        ),
        ("require(text == rebuilt", "require(True"),
        ("require((places[1:] > places[:-1]).all()", "require(True"),
        (
            "table = np.full((n_relations, n + 1), n)",
            "table = np.zeros((n_relations, n + 1), int)",
        ),
        ("if not bool(holds):", "if False:"),
        ("require(type(value) is int and value >= least", "require(value >= least"),
    ],
    symbolic: [
        ("if limit >= LARGEST:", "if False:"),
        ("LARGEST = 2**58", "LARGEST = 2**70"),
        ("bounded(size_of(a) * size_of(b) * max(a.shape[-1], 1))", "pass"),
        (
            "self.norm = int(np.abs(self.dense).sum(axis=1)",
            "self.norm = int(self.dense.sum(axis=1)",
        ),
        ("every_bit & -every_bit or 1", "every_bit or 1"),
        ("self.reads[columns] = self.writes[self.rows] = True", "self.writes[self.rows] = True"),
        ("self.reads[columns] = self.writes[self.rows] = True", "self.reads[columns] = True"),
        ("return np.abs(self.dense)", "return self.dense"),
        ("order = np.lexsort((key, at))", "order = np.lexsort((at, key))"),
        ("coef = np.add.reduceat(coef, first)", "coef = coef[first]"),
        ("(np.diff(at) != 0) | (np.diff(key) != 0)", "np.diff(at) != 0"),
        ("np.tile(self.at, n) + shift", "np.repeat(self.at, n) + shift"),
        ("self.coef[which] * value", "self.coef[which]"),
        ("np.add.at(high, self.at[variable], np.maximum(reach, 0))", "pass"),
        ("(np.maximum(high, -low) + largest)", "np.maximum(high, -low)"),
        (
            "(bit_lengths(self.sizes) + self.scale)[self.sizes > 0]",
            "bit_lengths(self.sizes)[self.sizes > 0]",
        ),
        ("np.stack([self.sizes, other.sizes])", "np.stack([self.sizes, 0 * other.sizes])"),
        (
            "few, n_out = self.small(), len(matrix.dense)",
            "few, n_out = Sizes(self.sizes * 0), len(matrix.dense)",
        ),
    ],
}
CASES = [(module, fault) for module, faults in FAULTS.items() for fault in faults]


@pytest.fixture(scope="module")
def battery():
    return Battery()


def test_the_battery_holds_what_is_right_and_what_is_wrong(battery):
    right = [proven for _, proven in battery.models if proven.verdict == "PASS"]
    assert len(right) == len(ROUNDED) + len(list(honest_models()))
    assert len(battery.models) - len(right) >= len(EXPLOITS) + len(CATALOGUE) + 80
    assert {proven.exact for proven in right} >= {"float64", "float32", "bfloat16", None}


def test_the_checker_itself_is_not_suspected(battery):
    assert not battery.suspicious(checker.check_files)


def test_a_copy_without_a_fault_is_not_suspected(battery):
    copy = planted_among(
        [stored, described, symbolic, checker], checker, ("ONE_HOT_GAP = 800", "ONE_HOT_GAP = 800")
    )
    assert copy is not checker
    assert copy.stored is not stored
    assert copy.described is not described
    assert not battery.suspicious(copy.check_files)


def test_a_checker_that_always_says_the_same_is_suspected(battery):
    for verdict in ("PASS", "FAIL", "UNKNOWN"):
        assert battery.suspicious(lambda files, verdict=verdict: checker.Verdict(verdict))


@pytest.mark.parametrize(
    ("module", "fault"),
    CASES,
    ids=[f"{module.__name__}: {old[:50]} -> {new[:40]}" for module, (old, new) in CASES],
)
def test_a_planted_fault_is_noticed(module, fault, battery):
    assert battery.suspicious(
        planted_among([stored, described, symbolic, checker], module, fault).check_files
    )
