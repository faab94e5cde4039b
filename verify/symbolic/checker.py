"""The symbolic checker: proves from a saved folder alone that its model answers every query right.

It shares no code with the builders. With `verify.symbolic.values` and `verify.kernel.reading` it
is all that is trusted of its verdict: the standard library, numpy, no floating-point arithmetic,
no tolerance. What is proven, from what, and why the steps imply every answer:
docs/certificates.md. In short, for the position that answers:

* the embedding of every entity spells, in named columns, codes of nodes of the fact graph (one
  pass over the table);
* every head puts nearly all its weight on one known position, by an integer gap of scores, or
  weighs all alike;
* between two claims a column holds `c0 + sum c_v v + sum_e h_e [node = e]`: integers times unknown
  bits v of those codes, and amounts that depend on the node alone. All cases of the letters at
  hand are run side by side. A unit that depends on one bit is known from its two values, one that
  fires for one code only from its two largest values, and so on;
* after each MLP the columns that the next step reads spell the codes of the next node;
* the unembedding, read with a symbolic code, puts the right token strictly above all others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, product
from typing import Any

import numpy as np

from verify.kernel import reading as stored
from verify.kernel.reading import DTYPES
from verify.kernel.verdict import Refuted, Undecided, Verdict, require, shown, whole
from verify.symbolic import values as symbolic
from verify.symbolic.values import LARGEST, Matrix, Sizes, Values, added_up, bounded, size_of

EXACT = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}  # sums below 2^this are exact
# numbers below 2^this do not overflow
FINITE = {"float64": 1023, "float32": 127, "float16": 15, "bfloat16": 127}
ONE_HOT_GAP = 800  # e^-800 underflows to 0 in every dtype
MOST_BITS = 50
MOST_CASES = 2**24  # coordinates of all cases together
MOST_KINDS = 64  # ways in which rows of the unembedding may differ beside their codes
AT_ONCE = 2**18  # entries of a table that are looked at together


def prove(files: Mapping[str, Any], manifest: Any) -> Verdict:
    """Prove the model of a folder right; or raise Refuted, or Undecided."""
    return _Proof(files, manifest).verdict()


@dataclass(frozen=True)
class _Block:
    """Columns start..stop-1 spell, for every word of `length` letters whose last letter is in
    low..high-1, the code of the node it leads to, words in lexicographic order.

    Attributes:
        form: "bits", "signs" or "number".
        book: which book the codes are of.
        words: the words, by their place among all words of their length.
        bits: of a code; 0 of a number.
    """

    start: int
    stop: int
    length: int
    form: str
    book: int
    words: np.ndarray
    bits: int

    @property
    def columns(self) -> np.ndarray:
        """The columns, int64."""
        return np.arange(self.start, self.stop)

    def __str__(self) -> str:
        return f"the block of columns {self.start}..{self.stop - 1}"


@dataclass
class _Layout:
    """Which columns spell codes, and of which nodes: those that the words of some blocks lead to
    from the node at hand.

    Attributes (int64 (d,), -1 where a column spells nothing):
        length, word: of the word, and its place in the lexicographic order of its length.
        bit, book: which bit of the code, in which book.
        off, scale: the column holds `off + scale * bit`.
        top: the largest value of the unknown: 1 for a bit.
    """

    length: np.ndarray
    word: np.ndarray
    bit: np.ndarray
    book: np.ndarray
    off: np.ndarray
    scale: np.ndarray
    top: np.ndarray


def _leak(gap: int, others: int) -> Fraction:
    """A bound on the softmax weight of `others` positions whose scores are lower by `gap` or more:
    e > 2.718281828.
    """
    power = (
        Fraction(2718281828, 10**9) ** gap
        if gap < 100
        else Fraction(2 ** (1442 * min(gap, 10**5) // 1000))
    )
    return Fraction(others) / (others + power)


def _pair(value: Any, what: str) -> tuple[int, int]:
    """Two counts, as a list of a file."""
    require(type(value) is list and len(value) == 2, f"{what} are {shown(value)}")
    return whole(value[0], 0, what), whole(value[1], 0, what)


def _segments(columns: np.ndarray) -> Iterator[tuple[Any, int]]:
    """Columns (cases, n), cut where a slice cannot read on: what reads each part, case by case,
    and its width.
    """
    cuts = np.flatnonzero((np.diff(columns, axis=1) != 1).any(axis=0)) + 1
    for part in np.split(columns, cuts, axis=1) if columns.size else ():
        start, flat = int(part[0, 0]), part.ravel()
        in_one = (flat == start + np.arange(part.size)).all()
        yield (slice(start, start + part.size) if in_one else flat), part.shape[1]


class _Proof:
    """Reads the claims one after the other and re-proves each."""

    def __init__(self, files: Mapping[str, Any], manifest: Any):
        sizes, shape, self.dtype = manifest["sizes"], manifest["architecture"], manifest["dtype"]
        self.n, self.n_relations, self.hops = (
            whole(sizes[s], 1, s) for s in ("entities", "relations", "hops")
        )
        specials = manifest["specials"]
        self.chain = specials == ["unknown", "pad", "end"]
        require(
            self.chain or specials == ["unknown"],
            f"manifest.json: the special tokens are {specials}",
        )
        self.d, self.n_vocab = (
            whole(sizes["d_model"], 1, "d_model"),
            self.n + self.n_relations + len(specials),
        )
        claims = stored.read_json(files["certificate.json"], "certificate.json")
        applied = whole(shape["repeats"], 1, "repeats") * len(shape["layers"])
        require(type(claims) is list, "certificate.json is not a list of claims")
        few = f"certificate.json: {len(claims)} claims are too few for {applied} layers"
        require(applied <= len(claims), few)
        self.tensors = stored.read_tensors(files["weights.safetensors"], "weights.safetensors")
        self._shapes(shape["layers"], whole(sizes["positions"], 0, "positions"))
        self.names = stored.read_vocabulary(
            files["vocabulary.txt"], self.n, self.n_relations, specials
        )
        stored_numbers = sum(tensor.size for _, tensor in self.tensors.values())
        self.most = max(MOST_CASES, stored_numbers)
        self._room(self.n_relations, "the table of facts")
        self.table = stored.read_facts(files, self.names, self.n, self.n_relations)
        self.some_missing = bool((self.table[:, : self.n] == self.n).any())
        self.reached = {0: np.arange(self.n + 1)[None]}
        self.letters = self._rows("embedding", slice(self.n, self.n + self.n_relations))
        self.special_rows = self._rows("embedding", slice(self.n + self.n_relations, None))
        self.positions = (
            self._rows("positions") if sizes["positions"] else np.zeros((2, self.d), np.int64)
        )
        self.layers = [self._layer(i, layer) for i, layer in enumerate(shape["layers"])] * shape[
            "repeats"
        ]
        text = "[\n" + ",\n".join(json.dumps(claim, sort_keys=True) for claim in claims) + "\n]\n"
        require(
            bytes(files["certificate.json"]) == text.encode(),
            "certificate.json is not in its canonical form",
        )
        self.claims = iter(claims)
        self.peak, self.highest, self.gap = 0, 0, ONE_HOT_GAP
        self.placed: dict[tuple[int, bool], np.ndarray] = {}
        self.largest = np.abs(np.concatenate([self.letters, self.special_rows])).max(axis=0)
        self.margins: list[tuple[Fraction, Fraction]] = []

    # ---------------------------------------------------------------- what the folder holds

    def _shapes(self, layers: list[dict[str, Any]], n_positions: int) -> None:
        """The file holds just the tensors of the architecture."""
        d = self.d
        require(layers, "manifest.json: there is no layer")
        expected: dict[str, Any] = {
            "embedding": (self.n_vocab, d),
            "unembedding": (self.n_vocab, d),
        }
        if n_positions:
            expected["positions"] = (n_positions, d)
        for i, layer in enumerate(layers):
            for width in [*chain(*layer["heads"]), *(n - 1 for n in layer["d_mlp"])]:
                whole(width, 0, f"a width of layer {i}")
            if layer["heads"]:
                d_qk, d_v = (sum(widths) for widths in zip(*layer["heads"], strict=True))
                rows = {
                    "query": (d_qk, d),
                    "key": (d_qk, d),
                    "value": (d_v, d),
                    "output": (d, d_v),
                }
                expected |= {f"layers.{i}.attention.{name}": size for name, size in rows.items()}
            widths = [d, *layer["d_mlp"], d] if layer["d_mlp"] else [d]
            expected |= {
                f"layers.{i}.mlp.weights.{j}": widths[j : j + 2][::-1]
                for j in range(len(widths) - 1)
            }
        expected = {
            f"{name}.weight": (DTYPES[self.dtype], tuple(size)) for name, size in expected.items()
        }
        found = {name: (dtype, tensor.shape) for name, (dtype, tensor) in self.tensors.items()}
        require(
            found == expected, f"weights.safetensors holds {found}, the architecture is {expected}"
        )

    def _rows(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        return stored.integers(self.tensors[f"{name}.weight"][1][rows], f"{name}.weight").astype(
            np.int64
        )

    def _over(self, name: str, stop: int, look: Callable[[slice, np.ndarray], Any]) -> list[Any]:
        """`look(rows, what is stored there)` for the first `stop` rows of a table, some at a time,
        in their order.
        """
        some, tensor = max(1, AT_ONCE // self.d), self.tensors[f"{name}.weight"][1]
        pieces = [slice(start, min(stop, start + some)) for start in range(0, stop, some)]
        held = [tensor[rows] for rows in pieces]
        with ThreadPoolExecutor(2) as threads:
            return list((threads.map if len(pieces) > 1 else map)(look, pieces, held))

    def _layer(self, i: int, layer: dict[str, Any]) -> tuple[list[list[Matrix]], list[Matrix]]:
        """The heads, (query, key, value, output) each, and the matrices of the MLP."""
        heads, qk, v = [], 0, 0
        names = ("query", "key", "value", "output") if layer["heads"] else ()
        full = [self._rows(f"layers.{i}.attention.{name}") for name in names]
        for d_qk, d_v in layer["heads"]:
            parts = [
                *(w[qk : qk + d_qk] for w in full[:2]),
                full[2][v : v + d_v],
                full[3][:, v : v + d_v],
            ]
            heads.append([Matrix(part) for part in parts])
            qk, v = qk + d_qk, v + d_v
        depth = len(layer["d_mlp"]) + 1 if layer["d_mlp"] else 0
        return heads, [Matrix(self._rows(f"layers.{i}.mlp.weights.{j}")) for j in range(depth)]

    # ---------------------------------------------------------------- claims about facts and codes

    def claim(self, kind: str, *reported: str, **proven: int) -> Any:
        """The next claim: it must be of this kind, say what is proven, and beside that only what
        is reported.
        """
        found = next(self.claims, {"claim": "nothing more"})
        named = type(found) is dict and found.get("claim")
        require(
            named == kind,
            f"the certificate claims {shown(named)} where a claim of {kind} is needed",
        )
        require(
            set(found) == {"claim", *reported, *proven},
            f"{kind}: claims something about {shown(sorted(found))}",
        )
        for name, value in proven.items():
            same = found[name] == value and type(found[name]) is type(value)
            require(same, f"{kind}: {name} is {value}, claimed is {shown(found[name])}")
        return found

    def verdict(self) -> Verdict:
        """Prove everything, or raise."""
        n, r, k = self.n, self.n_relations, self.hops
        task = self.claim("task", "hops_per_token")
        self.per_token = whole(task["hops_per_token"], int(self.chain), "hops_per_token")
        require(self.per_token <= (k if self.chain else 0), "task: hops_per_token")
        steps = -(-k // self.per_token) if self.chain else 0
        require(
            len(self.positions) == k + 1 + steps, f"positions.weight: {len(self.positions)} rows"
        )
        queries = sum(n * r**length for length in range(1 if self.chain else k, k + 1))
        subject = self.claim("subject", "blocks", "unknown")
        self._codes(subject["unknown"], subject["blocks"])
        for step in range(1, steps + 2):
            left = k - (step - 1) * self.per_token
            lengths = (
                range(int(step == 1), max(0, min(self.per_token, left)) + 1) if self.chain else [k]
            )
            for length in lengths:
                self._run(step, length)
        rounds = self._rounds()
        margin, real = min(m for m, _ in self.margins), min(m for _, m in self.margins)
        require(
            next(self.claims, None) is None, "the certificate holds more claims than are needed"
        )
        exact = None if rounds else self.dtype
        return Verdict("PASS", "", queries, margin, real, exact, self.per_token, rounds)

    def _room(self, rows: int, what: str) -> None:
        """Raise Undecided if so many rows of N + 1 nodes are more numbers than may be held: many,
        and more than weights.
        """
        if rows * (self.n + 1) > self.most:
            raise Undecided(
                f"{what} takes {rows * (self.n + 1)} numbers, and {self.most} may be held"
            )

    def words(self, length: int) -> np.ndarray:
        """Where every word of a length leads, int64 (R^length, N + 1), first letter
        applied first.
        """
        if length not in self.reached:
            self._room(self.n_relations**length, f"where all words of {length} letters lead")
            before = self.words(length - 1)
            found = (
                self.table[:, before].swapaxes(0, 1).reshape(-1, self.n + 1)
                if length > 1
                else self.table
            )
            self.reached[length] = found
        return self.reached[length]

    def blocks(self, claimed: Any, where: str) -> list[_Block]:
        """The blocks of a list of claimed ones, which is not empty."""
        require(type(claimed) is list and claimed, f"{where}: the blocks are {shown(claimed)}")
        return [self._block(block, f"{where}: {shown(block)}") for block in claimed]

    def _block(self, claimed: Any, what: str) -> _Block:
        """A claimed block: its words exist, and its columns have one code for each of them."""
        require(type(claimed) is dict and "columns" in claimed, f"{what} is no block")
        start, stop = _pair(claimed["columns"], f"{what}: its columns")
        require(start < stop <= self.d, f"{what}: there are {self.d} columns")
        if set(claimed) == {"columns"}:
            raise Undecided(f"{what}: columns in a code that is not spelled out")
        keys = {"columns", "words", "last", "form", "book"}
        require(set(claimed) == keys, f"{what} is no block")
        low, high = _pair(claimed["last"], f"{what}: its last letters")
        n, book = whole(claimed["words"], 0, f"{what}: words"), whole(claimed["book"], 0, "book")
        exist = low < high <= self.n_relations if n else [low, high] == [0, self.n_relations]
        require(exist and n <= self.hops, f"{what}: words that do not exist")
        require(book < len(self.bits), f"{what}: there are {len(self.bits)} books")
        count = self.n_relations ** (n - 1) * (high - low) if n else 1
        require(
            (stop - start) % count == 0,
            f"{what}: {stop - start} columns for {count} words",
        )
        words = np.zeros(1, int)
        if n:
            prefixes = np.arange(count // (high - low))[:, None]
            words = (prefixes * self.n_relations + np.arange(low, high)).ravel()
        form, bits = claimed["form"], (stop - start) // count
        require(form in ("bits", "signs", "number"), f"{what}: its form is {shown(form)}")
        require(form != "number" or bits == 1, f"{what}: a number of {bits} columns")
        bits = bits if form != "number" else 0
        require(bits <= MOST_BITS, f"{what}: too many bits")
        known = self.bits[book]
        require(known in (None, bits), f"{what}: a code of {bits} bits, its book has {known}")
        self.bits[book] = bits
        return _Block(start, stop, n, form, book, words, bits)

    def layout(self, blocks: list[_Block]) -> _Layout:
        """The columns that blocks claim."""
        length, word, bit, book, off, scale, top = np.full((7, self.d), -1)
        for block in blocks:
            columns, m = block.columns, max(block.bits, 1)
            require((length[columns] < 0).all(), f"{block}: columns are claimed twice")
            length[columns], word[columns] = block.length, np.repeat(block.words, m)
            bit[columns], book[columns] = np.tile(np.arange(m), len(block.words)), block.book
            off[columns], scale[columns] = (-1, 2) if block.form == "signs" else (0, 1)
            top[columns] = 1 if block.bits else max(1, int(self.numbers[block.book].max()))
        spelled = np.stack([length, word, bit])[:, length >= 0]
        require(
            np.unique(spelled, axis=1).shape == spelled.shape, "blocks: a word is spelled twice"
        )
        return _Layout(length, word, bit, book, off, scale, top)

    def _codes(self, unknown: Any, claimed: Any) -> None:
        """The embedding of every entity spells the codes of the nodes that its words lead to, and
        is constant elsewhere.

        The code of a node is read where it is spelled first; it must be the same wherever that
        node is reached.
        """
        require(type(unknown) is list, f"subject: unknown is {shown(unknown)}, not a list")
        for number in unknown:
            fits = number is None or whole(number, 0, "subject: unknown") < 2**MOST_BITS
            require(fits, f"subject: unknown is {shown(number)}")
        self.bits: list[int | None] = [None] * len(unknown)
        blocks = self.blocks(claimed, "subject")
        missing = [book for book, bits in enumerate(self.bits) if bits is None]
        require(not missing, f"subject: no block is of the books {shown(missing)}")
        self.numbers = [np.full(self.n + 1, -1) for _ in unknown]
        table, known = self.tensors["embedding.weight"][1], self.n
        if self.chain and self.some_missing:  # the token *unknown* is written, and read again
            known = self.n + 1
        row_of = np.append(np.arange(self.n), self.n + self.n_relations)
        spelled = []
        for block in blocks:
            columns, words, numbers = block.columns, block.words, self.numbers[block.book]
            every, m = self.words(block.length)[:, :known], max(block.bits, 1)
            reached = every[words] if len(words) < len(every) else every
            spelled.append((columns, reached))
            for at, nodes in zip(columns[::m], reached, strict=True):
                if (numbers[: self.n] >= 0).all():
                    break
                new = np.flatnonzero(numbers[nodes] < 0)
                held = stored.integers(table[row_of[new], at : at + m], "embedding.weight")
                number = symbolic.product(
                    held + 1 >> 1 if block.form == "signs" else held, 1 << np.arange(m)
                )
                require((number >= 0).all(), f"subject: {block} holds a negative number")
                numbers[nodes[new]] = number
        for book, numbers in enumerate(self.numbers):
            numbers[self.n] = -1 if unknown[book] is None else unknown[book]
            require(
                self.some_missing or unknown[book] is None,
                "subject: unknown has a code, but no fact is missing",
            )
            require(
                not self.bits[book] or numbers.max() >> self.bits[book] == 0,
                "subject: a number has too many bits",
            )
        layout, first = self.layout(blocks), self._rows("embedding", slice(1))[0]
        self.subject, self.subject_blocks = layout, blocks
        self.entity = np.where(layout.length < 0, first, layout.off)
        most = self.entity + np.where(layout.length < 0, 0, layout.scale * layout.top)
        self.largest = np.maximum(self.largest, np.maximum(np.abs(self.entity), np.abs(most)))
        fixed = [columns for columns, _ in _segments(np.flatnonzero(layout.length < 0)[None])]
        codes = []
        for block, (columns, reached) in zip(blocks, spelled, strict=True):
            numbers, m = self.numbers[block.book], block.bits
            require(
                (numbers[self.n] >= 0) | (reached < self.n).all(),
                "subject: unknown is reached, and has no code",
            )
            at = columns[: max(m, 1)]
            number = (numbers[:, None] >> layout.bit[at]) & 1 if m else numbers[:, None]
            codes.append(stored.stored_as(layout.off[at] + layout.scale[at] * number, table))

        def look(rows: slice, held: np.ndarray) -> None:
            for columns in fixed:
                for row, _ in stored.differing(
                    held[:, columns], table[0, columns], "embedding.weight"
                ):
                    name = self._name(rows.start + row)
                    raise Refuted(
                        f"subject: the embedding of {name} differs where no code is claimed"
                    )
            for block, code, (columns, reached) in zip(blocks, codes, spelled, strict=True):
                nodes = np.ascontiguousarray(reached[:, rows].T)
                wanted = np.take(code, nodes, axis=0)
                found = held[:, columns[0] : columns[-1] + 1].reshape(wanted.shape)
                for row, word, bit in stored.differing(found, wanted, "embedding.weight"):
                    is_, should = (
                        int(stored.integers(part[row, word], "embedding.weight")[bit])
                        for part in (found, wanted)
                    )
                    raise Refuted(
                        f"subject: {self._name(rows.start + row)}: {block} holds"
                        f" {is_} in bit {bit} of word {word}, the code of"
                        f" {self._name(nodes[row, word])} has {should} there"
                    )

        self._over("embedding", self.n, look)
        look(slice(self.n, known), table[row_of[self.n : known]])

    def _name(self, node: int) -> str:
        return "unknown" if node == self.n else self.names[node]

    # ---------------------------------------------------------------- one deciding position

    def _run(self, step: int, n_letters: int) -> None:
        """Prove what the deciding position of a step says when its path has `n_letters` letters
        for it.

        A chain's step has `per_token` letters unless the path ends before; PAD follows. Every
        other model has one step.
        """
        self.here, first = self.hops + step - 1, (step - 1) * self.per_token + 1
        end, pad = first + n_letters, self.special_rows[1:2]
        # For each position the rows of the embedding that its token may have: None is an entity,
        # whose row varies.
        self.token: list[np.ndarray | None] = [None]
        either = np.concatenate([self.letters, pad])
        for position in range(1, self.here + 1):
            known = (
                self.letters if position < end else pad if n_letters < self.per_token else either
            )
            if not n_letters and first - self.per_token < position < first:
                known = either  # the path may have ended within the step before
            self.token.append(
                (known if self.chain else self.letters) if position <= self.hops else None
            )
        kinds = {id(token): token for token in self.token}
        self.kinds, numbered = list(kinds.values()), {token: i for i, token in enumerate(kinds)}
        self.kind = np.array([numbered[id(token)] for token in self.token])
        own, columns = self.token[self.here], np.flatnonzero(self.subject.length >= 0)
        self.at_hand = 0 if own is not None else self.here  # the position of the node at hand
        self.now, self.used, self.error = self.subject, np.zeros(self.d, bool), Fraction(0)
        self.moved: np.ndarray = np.zeros(self.d, bool)
        self.stale: np.ndarray = np.zeros(self.d, bool)
        self.free: dict[int | str, np.ndarray] = {} if own is None else {self.here: own}
        x = Values(self.positions[self.here][None])
        if own is None:
            x = x.plus(self.entity, columns, columns, self.subject.scale[columns])
        blocks = self.subject_blocks
        self._exact_up_to(
            size_of(np.abs(self.positions[: self.here + 1]) + self._kind_sizes()[self.kind])
        )
        for number, (heads, mlp) in enumerate(self.layers, start=1):
            claim = self.claim("pass", "letters", "keeps", step=step, left=n_letters, layer=number)
            letters, kept = claim["letters"], claim["keeps"]
            after = None if kept is None else self.blocks(kept, f"pass {number}")
            require(
                type(letters) is list and all(type(letter) is int for letter in letters),
                f"pass {number}: letters {shown(letters)}",
            )
            require(
                letters == list(range(first, first + len(letters))),
                f"pass {number}: letters {shown(letters)}, next is {first}",
            )
            require(
                first + len(letters) <= end, f"pass {number}: reads more letters than the path has"
            )
            if self.n_relations ** len(letters) * self.d > MOST_CASES:
                raise Undecided(
                    f"pass {number}: {self.n_relations}^{len(letters)} cases are too many"
                )
            choices = list(product(range(self.n_relations), repeat=len(letters)))
            cases = np.array(choices, int).reshape(len(choices), len(letters))
            x = x.repeated(len(cases))
            for place, letter in enumerate(letters):
                if letter in self.free:
                    x.const += self.free.pop(letter)[cases[:, place]]
            x = self._attend(x, heads, cases, letters, f"pass {number}")
            x = self._mlp(x, mlp) if mlp else x
            if after is not None:
                x = self._rebase(x, len(letters), after, number)
                self._all_used(blocks)
                first, blocks, self.used = first + len(letters), after, np.zeros(self.d, bool)
            require(
                after is not None or number == len(self.layers),
                f"pass {number} leaves nothing for the next",
            )
        require(
            end - first == (0 if after is not None else len(letters)),
            f"letters {first} to {end - 1} are never read",
        )
        self._decode(x, 0 if after is not None else len(letters), n_letters == 0 and self.chain)
        if n_letters:
            self._all_used(blocks)

    def _all_used(self, blocks: list[_Block]) -> None:
        for block in blocks:
            read = self.used[block.columns].any()
            require(read, f"{block} is claimed, but nothing reads it")

    def _read(self, x: Values, matrix: Matrix, what: str) -> Values:
        """The matrix times the stream: it may not read what is not known, nor tell letters apart
        that are not at hand.
        """
        require(
            not matrix.reads[self.stale].any(), f"{what} reads a column of which nothing is known"
        )
        for letter, table in self.free.items():
            reported = symbolic.product(
                (table - table[0])[:, matrix.reads], matrix.dense[:, matrix.reads].T
            )
            require(
                not reported.any(), f"{what} tells letters apart that are not at hand ({letter})"
            )
        return x.plus(self._first_choices()).through(matrix)

    def _first_choices(self) -> np.ndarray:
        """What the stream holds beside what is followed, if every letter that is not at hand is
        the first one.
        """
        return added_up(np.zeros(self.d, np.int64), *(table[0] for table in self.free.values()))

    def _sizes(self, x: Values) -> np.ndarray:
        return added_up(
            x.sizes(self.now.top), *(np.abs(table).max(axis=0) for table in self.free.values())
        )

    def _exact_up_to(self, *sums: int) -> None:
        """Note how large sums become."""
        self.peak = max(self.peak, *sums)

    def _attend(
        self,
        x: Values,
        heads: list[list[Matrix]],
        cases: np.ndarray,
        letters: list[int],
        where: str,
    ) -> Values:
        """Every head adds what it reads: of one position, or of all in equal parts."""
        before, error, moved, everywhere = x, Fraction(0), self.moved.copy(), range(self.here + 1)
        together, parts = self._sizes(x), 1
        later: dict[int, np.ndarray] = {}  # the heads of a layer do not see what the others add
        for h, (query, key, value, output) in enumerate(heads):
            what = f"{where}, head {h}"
            require(
                not ((key.reads | value.reads) & moved).any(),
                f"{what} reads elsewhere what a layer has written",
            )
            largest = self._token_sums(value)
            added = symbolic.product(np.ones((1, len(largest)), np.int64), largest)[0]
            together = added_up(together, output.sums(added))
            self._exact_up_to(size_of(added))
            read = np.sort(largest.max(axis=1, initial=0))
            if not len(query.dense):
                parts = len(everywhere)  # numbers are multiples of the reciprocal
                total, count = Values(np.zeros_like(x.const)), len(everywhere)
                for p in everywhere:
                    part, reported = self._value(value, output, cases, letters, p, what)
                    total = total.plus(part.const, part.at, part.key, part.coef)
                    if reported is not None:
                        raise Undecided(f"{what} mixes letters that are not at hand")
                if (
                    count not in (1, 2, 4)
                    or (total.const % count).any()
                    or (total.coef % count).any()
                ):
                    raise Undecided(
                        f"{what}: the average of {count} positions is not whole, or is rounded"
                    )
                x = x.plus(total.const // count, total.at, total.key, total.coef // count)
                self.moved |= output.writes
                continue
            asked = self._read(before, query, what)
            require(not len(asked.at), f"{what}: its query depends on the facts")
            keys = self._keys(key, what)
            scores = symbolic.product(asked.const, keys.T)
            ordered = np.sort(scores, axis=1)
            gap, best = int((ordered[:, -1] - ordered[:, -2]).min()), scores.argmax(axis=1)
            require(gap > 0, f"{what}: two positions have the same score")
            # Queries, and so scores, are multiples of a power of two, which takes no bits of a
            # float.
            sums = query.sums(self._sizes(before))
            held = self._token_sums(key).max(axis=0)
            scored = int(symbolic.product(sums, held))
            self._exact_up_to(size_of(sums) // query.grain, size_of(held), scored // query.grain)
            self.highest = max(self.highest, scored)
            self.gap = min(self.gap, gap)
            if (query.reads & moved).any():
                shaken = 2 * self.error * query.norm * int(np.abs(keys).sum(axis=1).max())
                if shaken > 1:
                    raise Undecided(f"{what}: earlier leaks may move its scores by more than 1")
                gap -= 1
            apart = int(read[-1]) + int(read[-2])  # of two different positions, at most
            error += _leak(gap, self.here) * apart * output.norm
            for position in np.unique(best).tolist():
                part, reported = self._value(value, output, cases, letters, position, what)
                chosen = best == position
                if reported is not None:
                    require(
                        chosen.all(),
                        f"{what} reads letter {position}, which is not at hand, in some cases"
                        " only",
                    )
                    later[position] = added_up(
                        reported, *([later[position]] if position in later else [])
                    )
                kept = chosen[part.at // self.d]
                x = x.plus(
                    part.const * chosen[:, None], part.at[kept], part.key[kept], part.coef[kept]
                )
            self.moved |= output.writes
        for position, reported in later.items():
            self.free[position] = added_up(
                reported, *([self.free[position]] if position in self.free else [])
            )
        self._exact_up_to(parts * size_of(together))
        self.error += error
        return x

    def _kind_sizes(self) -> np.ndarray:
        """The largest absolute value of each coordinate of the embedding of a token of each kind,
        (kinds, d).
        """
        most = self.entity + np.where(
            self.subject.length >= 0, self.subject.scale * self.subject.top, 0
        )
        entity = np.maximum(np.abs(self.entity), np.abs(most))
        return np.stack(
            [entity if token is None else np.abs(token).max(axis=0) for token in self.kinds]
        )

    def _token_sums(self, matrix: Matrix) -> np.ndarray:
        """A bound on every partial sum of the matrix times the embedded token at each position,
        (positions, out).
        """
        beside = self._at_positions(matrix, sizes=True)
        sums: np.ndarray = (
            beside + symbolic.product(self._kind_sizes(), matrix.absolute.T)[self.kind]
        )
        return sums

    def _at_positions(self, matrix: Matrix, sizes: bool = False) -> np.ndarray:
        """The matrix times each row of `positions` up to the deciding one; or the absolute values
        of both.
        """
        if (id(matrix), sizes) not in self.placed:
            rows, weights = (
                (np.abs(self.positions), matrix.absolute)
                if sizes
                else (self.positions, matrix.dense)
            )
            self.placed[id(matrix), sizes] = symbolic.product(rows, weights.T)
        return self.placed[id(matrix), sizes][: self.here + 1]

    def _keys(self, key: Matrix, what: str) -> np.ndarray:
        """The key of each position, whatever token it holds, (positions, out)."""
        found = []
        for i, token in enumerate(self.kinds):
            if token is None:
                require(
                    not key.reads[self.subject.length >= 0].any(),
                    f"{what}: a key depends on the facts",
                )
                token = self.entity[None]
            keys = symbolic.product(token, key.dense.T)
            position = int(np.argmax(self.kind == i))
            require(
                (keys == keys[0]).all(),
                f"{what}: the key of position {position} depends on its letter",
            )
            found.append(keys[0])
        whole: np.ndarray = self._at_positions(key) + np.stack(found)[self.kind]
        return whole

    def _value(
        self,
        value: Matrix,
        output: Matrix,
        cases: np.ndarray,
        letters: list[int],
        position: int,
        what: str,
    ) -> tuple[Values, np.ndarray | None]:
        """What a head adds that reads a position; and for a letter that is not at hand what each
        choice adds to that.
        """
        token, n = self.token[position], len(cases)
        fixed = Values(self.positions[position][None])
        if token is None:
            columns = np.flatnonzero(value.reads & (self.subject.length >= 0))
            if len(columns) and (position != self.at_hand or self.now is not self.subject):
                raise Undecided(f"{what} reads an entity that is not at hand")
            fixed = fixed.plus(self.entity, columns, columns, self.subject.scale[columns])
            return fixed.through(value).through(output).repeated(n), None
        always = fixed.through(value).through(output).repeated(n)
        rows = symbolic.product(symbolic.product(token, value.dense.T), output.dense.T)
        if position in letters:
            return always.plus(rows[cases[:, letters.index(position)]]), None
        return (always, rows) if len(token) > 1 else (always.plus(rows), None)

    def _mlp(self, x: Values, mlp: list[Matrix]) -> Values:
        hidden, gain, sizes = self._read(x, mlp[0], "the MLP"), 1, self._sizes(x)
        for matrix in mlp:
            if matrix is not mlp[0]:
                hidden = self._relu(hidden)
                sizes = hidden.sizes(self.now.top)
                hidden = hidden.through(matrix)
            self._exact_up_to(size_of(matrix.sums(sizes)))
            gain *= matrix.norm
        self.error *= 1 + gain  # ReLU is 1-Lipschitz
        self.moved |= mlp[-1].writes
        x = x.plus(hidden.const, hidden.at, hidden.key, hidden.coef)
        self._exact_up_to(size_of(self._sizes(x)))
        return x

    def _relu(self, x: Values) -> Values:
        """Units, each from the few values that its input can have."""
        top, variable = self.now.top, x.key < self.d
        n_variables, n_nodes = (
            np.bincount(x.at[kind], minlength=x.const.size) for kind in (variable, ~variable)
        )
        mixed = variable & (n_nodes[x.at] > 0)
        # bits of the node beside amounts that depend on it: written as such amounts
        if mixed.any():
            which, node, bit = self._node_bits(x.key[mixed])
            return self._relu(
                x.only(~mixed).plus(
                    0, x.at[mixed][which], self.d + node, x.coef[mixed][which] * bit
                )
            )
        self.used[x.key[variable]] = True
        x.sizes(top)  # refuses what could overflow below
        low = x.const.ravel()
        base = np.maximum(low, 0)
        # One bit, or one number on which the sign does not depend: known from both ends of its
        # range.
        one = variable & (n_variables[x.at] == 1)
        at, key = x.at[one], x.key[one]
        high = low[at] + x.coef[one] * top[key]
        if (
            (top[key] > 1) & (np.minimum(low[at], high) < 0) & (np.maximum(low[at], high) > 0)
        ).any():
            raise Undecided("a unit bends within the range of a number")
        new = [(at, key, (np.maximum(high, 0) - base[at]) // top[key])]
        # Several bits: never above 0, or above 0 for a single code of the node.
        many = variable & (n_variables[x.at] > 1)
        if many.any():
            key, coef = x.key[many], x.coef[many]
            at, first = np.unique(x.at[many], return_index=True)
            most = low[at] + np.add.reduceat(np.maximum(coef, 0) * top[key], first)
            bits, book = self._node()
            of_node = np.logical_and.reduceat(
                (self.now.length[key] == 0) & (self.now.book[key] == book), first
            )
            sharp = (
                of_node
                & (n_variables[at] == bits)
                & (most <= np.minimum.reduceat(np.abs(coef), first))
            )
            if ((most > 0) & ~sharp).any():
                raise Undecided(
                    "a unit depends on several bits, and not on a single code of the node"
                )
            number = np.add.reduceat((coef > 0) * (1 << self.now.bit[key]), first)
            node = self._node_of(number, book)
            base[at], fires = 0, (most > 0) & (node >= 0)
            new.append((at[fires], self.d + node[fires], most[fires]))
        # Amounts that depend on the node: a value for each.
        at = x.at[~variable]
        new.append((at, x.key[~variable], np.maximum(low[at] + x.coef[~variable], 0) - base[at]))
        return Values(base.reshape(x.const.shape)).plus(
            0, *(np.concatenate(parts) for parts in zip(*new, strict=True))
        )

    def _node(self) -> tuple[int, int]:
        """How many bits spell the node at hand, and in which book; 0 if none do."""
        spelled = np.flatnonzero(self.now.length == 0)
        return len(spelled), int(self.now.book[spelled[0]]) if len(spelled) else 0

    def _node_of(self, numbers: np.ndarray, book: int) -> np.ndarray:
        """The node with each number, -1 if there is none."""
        order = np.argsort(self.numbers[book], kind="stable")
        known = self.numbers[book][order]
        require(
            not ((np.diff(known) == 0) & (known[1:] >= 0)).any(),
            "two nodes have the same code",
        )
        at = np.minimum(np.searchsorted(known, numbers), self.n)
        return np.where(known[at] == numbers, order[at], -1)

    def _node_bits(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For unknowns that are bits of the node at hand: (which of them, every node, its bit)."""
        numbers = self.numbers[self._node()[1]]
        if (self.now.length[keys] != 0).any() or (self.now.top[keys] != 1).any():
            raise Undecided(
                "bits that are not the node's are mixed with amounts that depend on the node"
            )
        nodes = np.flatnonzero(numbers >= 0)
        bits = (numbers[nodes] >> self.now.bit[keys][:, None]) & 1
        return np.repeat(np.arange(len(keys)), len(nodes)), np.tile(nodes, len(keys)), bits.ravel()

    def _rebase(self, x: Values, length: int, blocks: list[_Block], number: int) -> Values:
        """After a pass the columns of `blocks` spell codes as seen from the next node: the one
        that its letters lead to.
        """
        old, new, n = self.now, self.layout(blocks), len(x.const)
        x, columns = self._settled(x, new.length < 0), np.flatnonzero(new.length >= 0)
        unclear = self.stale[columns].any() or any(
            table[:, columns].any() for table in self.free.values()
        )
        require(
            not unclear,
            f"pass {number}: columns of which not all is known are claimed to spell a code",
        )
        column, at = np.tile(columns, n), (np.arange(n)[:, None] * self.d + columns).ravel()
        word = (
            np.repeat(np.arange(n), len(columns)) * self.n_relations ** new.length[column]
            + new.word[column]
        )
        start, stop = np.searchsorted(x.at, at), np.searchsorted(x.at, at, "right")
        key, coef = np.append(x.key, self.d)[start], np.append(x.coef, 0)[start]
        same = (
            (stop - start == 1)
            & (key < self.d)
            & (coef == new.scale[column])
            & (x.const.ravel()[at] == new.off[column])
        )
        key = np.where(same, key, 0)
        same &= (old.length[key] == length + new.length[column]) & (old.word[key] == word)
        same &= (old.bit[key] == new.bit[column]) & (old.book[key] == new.book[column])
        self.used[key[same]] = True
        if not same.all():
            self._same_at_every_node(x, at[~same], column[~same], length, word[~same], new)
        known = (new.length < 0) & ~self.stale
        known[x.at % self.d] = False
        const = x.const
        # what differs from case to case is one of the rows of a table from now on
        if number < len(self.layers):
            self.free[f"pass {number}"] = np.where(known, const - const[0], 0)
            const = const[:1]
        self.stale = ~known & (new.length < 0)
        self.now = new
        const = np.where(new.length < 0, const * known, new.off)
        return (
            Values(const[:1], columns, columns, new.scale[columns])
            .repeated(len(const))
            .plus(const - const[:1])
        )

    def _settled(self, x: Values, where: np.ndarray) -> Values:
        """The same values; in some columns amounts that are alike at every node are constants."""
        variable = where[x.at % self.d] & (x.key < self.d)
        variable &= self.now.length[np.where(variable, x.key, 0)] == 0
        which, node, bit = self._node_bits(x.key[variable])
        added = x.at[variable][which], self.d + node, x.coef[variable][which] * bit
        x = x.only(~variable).plus(0, *added)
        of_node, const = x.key >= self.d, x.const.copy()
        at, first, count = np.unique(x.at[of_node], return_index=True, return_counts=True)
        if not len(at):
            return x
        low, high = (bound.reduceat(x.coef[of_node], first) for bound in (np.minimum, np.maximum))
        alike = (
            where[at % self.d]
            & (count == np.count_nonzero(self.numbers[self._node()[1]] >= 0))
            & (low == high)
        )
        const.ravel()[at[alike]] += low[alike]
        kept = ~(of_node & np.isin(x.at, at[alike]))
        return Values(const, x.at[kept], x.key[kept], x.coef[kept])

    def _same_at_every_node(
        self,
        x: Values,
        at: np.ndarray,
        column: np.ndarray,
        length: int,
        word: np.ndarray,
        new: _Layout,
    ) -> None:
        """The values at these places spell the codes of the nodes that the words lead to, from
        every node at hand.
        """
        spelled, own = self._node()
        there = (
            self.numbers[own] >= 0
            if spelled
            else np.arange(self.n + 1) < self.n + self.some_missing
        )
        nodes, place = np.flatnonzero(there), np.cumsum(there) - 1
        if not all(self.bits[b] for b in new.book[column]):
            raise Undecided("a number is claimed where something is written")
        mine = np.minimum(np.searchsorted(at, x.at), len(at) - 1)
        row, bits = np.where(at[mine] == x.at, mine, -1), x.key < self.d
        value = np.repeat(x.const.ravel()[at][:, None], len(nodes), axis=1)
        chosen = (row >= 0) & bits
        self.used[x.key[chosen]] = True
        which, node, bit = self._node_bits(x.key[chosen])
        np.add.at(value, (row[chosen][which], place[node]), x.coef[chosen][which] * bit)
        chosen = (row >= 0) & ~bits
        np.add.at(value, (row[chosen], place[x.key[chosen] - self.d]), x.coef[chosen])
        for inner in np.unique(new.length[column]):
            some = np.flatnonzero(new.length[column] == inner)
            reached = self.words(length + int(inner))[word[some]][:, nodes]
            number = np.stack(self.numbers)[new.book[column[some]][:, None], reached]
            bit, off, scale = (
                part[column[some]][:, None] for part in (new.bit, new.off, new.scale)
            )
            wanted = off + scale * ((number >> bit) & 1)
            for i, e in np.argwhere((value[some] != wanted) | (number < 0))[:1]:
                raise Refuted(
                    f"pass: after word {word[some][i]} from {self._name(nodes[e])} column"
                    f" {column[some][i]} holds {value[some][i, e]}, the code of"
                    f" {self._name(reached[i, e])} has {wanted[i, e]}"
                )

    # ---------------------------------------------------------------- the unembedding

    def _decode(self, x: Values, at_hand: int, end: bool) -> None:
        """In every case the right token has the largest logit, whatever node is spelled.

        `at_hand` letters of the last pass are still to be applied: by reading the node that they
        lead to, or because the unembedding holds that node's token in its row for these letters.
        """
        const = x.plus(self._first_choices()).const
        # Cases that differ in the columns that are read, at most.
        groups: dict[tuple[bytes, ...], list[tuple[Any, ...]]] = {}
        ends = np.searchsorted(x.at, np.arange(len(const) + 1) * self.d)
        for case in range(len(const)):
            mine = slice(ends[case], ends[case + 1])
            column, key, coef = x.at[mine] % self.d, x.key[mine], x.coef[mine]
            require((key < self.d).all(), "decoder: the final state is no code")
            word = case if at_hand else 0
            spelled = (self.now.length == at_hand) & (self.now.word == word) & (not end)
            applied = at_hand > 0 and not end and not spelled.any()  # by the unembedding
            if applied:
                spelled = self.now.length == 0
            answer, fixed = spelled[key], np.flatnonzero(const[case])
            nodes, target = np.zeros(1, int), np.array([self.n_vocab - 1])  # END is the last token
            if not end:
                book = self.now.book[spelled][:1]
                nodes = np.flatnonzero(self.numbers[int(book[0])] >= 0) if len(book) else nodes
                require(
                    len(book) and (answer.any() or len(nodes) == 1),
                    "decoder: no column spells the answer",
                )
                reached = self.words(at_hand)[case][nodes] if applied else nodes
                target = np.where(reached == self.n, self.n + self.n_relations, reached)
            self.used[key] = True
            roles = (coef, answer, self.now.bit[key], self.now.book[key], self.now.top[key])
            # nodes and targets
            same = np.array([case if applied else -1, *(() if end else book)])
            group = groups.setdefault(
                tuple(part.tobytes() for part in (const[case][fixed], *roles, same)), []
            )
            group.append(
                (
                    np.concatenate([fixed, column]),
                    const[case],
                    column,
                    key,
                    coef,
                    answer,
                    nodes,
                    target,
                )
            )
        together = {
            name: list(_segments(np.stack([case[0] for case in group])))
            for name, group in groups.items()
        }
        tables = [
            ((table != table[0]).any(axis=0), table - table[0]) for table in self.free.values()
        ]
        amounts = [
            (on, np.abs(table[:, on]))
            for table in self.free.values()
            for on in [np.any(table, axis=0)]
        ]
        beside: np.ndarray = np.ones(self.d, bool)
        for columns, _ in chain(*together.values()):
            beside[columns] = False  # `_separate` reads them
        for on in [self.stale, *(on for on, _ in [*tables, *amounts])]:
            beside |= on

        def look(_: slice, held: np.ndarray) -> tuple[int, set[tuple[bytes, ...]]]:
            rows = stored.integers(held[:, beside], "unembedding.weight")
            require(
                not rows[:, self.stale[beside]].any(),
                "decoder: reads a column of which nothing is known",
            )
            reported = any(
                symbolic.product(rows[:, on[beside]], table[:, on].T).any() for on, table in tables
            )
            require(not reported, "decoder: tells letters apart that are not at hand")
            bits, differ = held.view(f"u{held.itemsize}"), set()
            for name, parts in together.items():
                for columns, width in parts if len(groups[name]) > 1 else ():
                    some = bits[:, columns]
                    if (some[:, width:] != some[:, :-width]).any():
                        differ.add(name)
            added = [
                symbolic.product(np.abs(rows[:, on[beside]]), most.T).max(axis=1)
                for on, most in amounts
            ]
            return size_of(added_up(np.zeros(len(rows), np.int64), *added)), differ

        looked = self._over("unembedding", self.n_vocab, look)
        # how much letters that are not at hand may add to a logit's sums
        self.beside = max(most for most, _ in looked)
        differ = set().union(*(names for _, names in looked))
        for name, group in groups.items():
            for _, *final in group if name in differ else group[:1]:
                self._separate(*final)

    def _separate(
        self,
        const: np.ndarray,
        column: np.ndarray,
        key: np.ndarray,
        coef: np.ndarray,
        answer: np.ndarray,
        nodes: np.ndarray,
        target: np.ndarray,
    ) -> None:
        """Of a final state that spells any of the nodes, the target has the largest logit; notes
        by how much.

        All logits are doubled: with a bit `(1 + y) / 2` they are `base + <g, y>`, up to `aside`
        for what else varies.
        """
        fixed, top = np.flatnonzero(const), self.now.top[key]
        held = self._rows("unembedding", (slice(None), np.concatenate([fixed, column])))
        bounded(
            4
            * size_of(held)
            * (size_of(const) + size_of(coef) * size_of(top))
            * (held.shape[1] + 1)
        )
        sure, reported = held[:, : len(fixed)], held[:, len(fixed) :] * coef
        self._exact_up_to(
            size_of(np.abs(sure) @ np.abs(const[fixed]) + np.abs(reported) @ top) + self.beside
        )
        book = int(self.now.book[key[answer]][0]) if answer.any() else 0
        bits = (self.bits[book] or 0) if answer.any() else 0
        if answer.any() and not bits:
            self._nearest(sure @ const[fixed], reported, self.numbers[book][nodes], target)
            return
        base, aside = (
            2 * (sure @ const[fixed]) + reported @ top,
            np.abs(reported[:, ~answer]) @ top[~answer],
        )
        g, each = np.zeros((self.n_vocab, bits), np.int64), np.arange(bits)
        np.add.at(g.T, self.now.bit[key[answer]], reported[:, answer].T)
        number = self.numbers[book][nodes]
        own = (
            base[target]
            + (g[target] * (2 * ((number[:, None] >> each) & 1) - 1)).sum(axis=1)
            - aside[target]
        )
        reach, size = base + np.abs(g).sum(axis=1) + aside, np.abs(g).min(axis=1, initial=LARGEST)
        coded = (size > 0) & (size == np.abs(g).max(axis=1, initial=0))
        described, kind = (
            np.stack([base, size, aside])[:, coded],
            np.zeros(np.count_nonzero(coded), int),
        )
        if (described != described[:, :1]).any():
            kind = np.unique(described, axis=1, return_inverse=True)[1].ravel()
        kind_of = np.full(self.n_vocab, -1)
        kind_of[coded] = np.where(kind < MOST_KINDS, kind, -1)
        # The rest may reach its largest logit in any state.
        rest = np.flatnonzero(kind_of < 0)
        rest = rest[np.argsort(reach[rest])[-2:]]
        margin, real, error = (
            np.full(len(nodes), 2**MOST_BITS),
            [Fraction(2**MOST_BITS)],
            self.error,
        )
        total = 4 * error * self._norm(self.moved)
        for token in rest:
            apart = np.where(target == token, margin, own - reach[token])
            margin, real = np.minimum(margin, apart), [*real, Fraction(int(apart.min())) - total]
        # Tokens with one base and one size have sign codes: two different ones are 2 size apart at
        # least.
        spread = 4 * error * self._norm(self.moved & ~np.isin(np.arange(self.d), column[answer]))
        for one in np.unique(kind_of[kind_of >= 0]):
            tokens = np.flatnonzero(kind_of == one)
            code = ((g[tokens] > 0) << each).sum(axis=1)
            order = np.argsort(code)
            tokens, code = tokens[order], code[order]
            require((np.diff(code) > 0).all(), "decoder: two tokens have the same code")
            at = np.minimum(np.searchsorted(code, number), len(code) - 1)
            owner = np.where(code[at] == number, tokens[at], -1)
            most, step = int(reach[tokens[0]]), 2 * int(size[tokens[0]])
            apart = own - np.where((owner >= 0) & (owner != target), most, most - step)
            if len(tokens) == 1:
                apart = np.where(target == tokens[0], margin, apart)
            margin, mine = np.minimum(margin, apart), owner == target
            if len(tokens) > 1 and mine.any():
                # Where each bit has a column of its own, two codes may differ in a single one.
                lost = step * 2 * error / int(np.abs(coef[answer]).min()) + spread
                real.append(
                    int(apart[mine].min()) - (lost if np.count_nonzero(answer) == bits else total)
                )
            if not mine.all():
                real.append(Fraction(int(apart[~mine].min())) - total)
        for i in np.flatnonzero(margin <= 0)[:1]:
            raise Refuted(
                f"decoder: where the state spells {self._name(nodes[i])}, the logit of"
                f" {self.names[target[i]]} is not above all others: the difference is"
                f" {margin[i]} / 2"
            )
        if min(real) <= 0:
            raise Undecided(
                f"decoder: the margin is {margin.min()} / 2, and leaks may take all of it"
            )
        self.margins.append((Fraction(int(margin.min()), 2), min(real) / 2))

    def _nearest(
        self, base: np.ndarray, reported: np.ndarray, number: np.ndarray, target: np.ndarray
    ) -> None:
        """As `_separate` where one column holds a number v: tokens with `2 n v - n^2` are reported
        apart by the nearest n.
        """
        if reported.shape[1] != 1 or self.error:
            raise Undecided("decoder: numbers beside other codes, or with leaks")
        slope = reported[:, 0]
        n = slope // 2
        bounded(
            max(size_of(n), size_of(number)) * max(2 * size_of(slope), size_of(number))
            + size_of(base)
        )
        field = (slope == 2 * n) & (base == -n * n)
        require(
            (field[target] & (n[target] == number)).all(),
            "decoder: an answer's row is not 2 n v - n^2 for its number n",
        )
        known = np.sort(n[field])
        require((np.diff(known) > 0).all(), "decoder: two tokens have the same number")
        padded = np.concatenate([[-(2**30)], known, [2**31]])
        at = np.searchsorted(known, number) + 1
        margin = int(np.minimum(number - padded[at - 1], padded[at + 1] - number).min()) ** 2
        others = np.unique(np.stack([base[~field], slope[~field]]), axis=1).T
        if len(others) > MOST_KINDS:
            raise Undecided("decoder: too many kinds of rows beside the numbers")
        for b, c in others:
            margin = min(margin, int((number**2 - b - c * number).min()))
        require(margin > 0, f"decoder: the smallest margin is {margin}")
        self.margins.append((Fraction(margin), Fraction(margin)))

    def _norm(self, columns: np.ndarray) -> int:
        """The largest sum of absolute values of a row of the unembedding in these columns; 0 if
        there are no leaks.
        """

        def look(_: slice, held: np.ndarray) -> int:
            return int(
                np.abs(stored.integers(held[:, columns], "unembedding.weight").astype(np.int64))
                .sum(axis=1)
                .max()
            )

        return max(self._over("unembedding", self.n_vocab if self.error else 0, look), default=0)

    def _rounds(self) -> str:
        """Why floating point is not proven to compute without rounding, at the positions that
        decide; "" if it is.
        """
        if self.peak >= 2 ** EXACT[self.dtype]:
            return (
                f"sums may reach {self.peak}, and {self.dtype} is exact below"
                f" 2^{EXACT[self.dtype]}"
            )
        if self.gap < ONE_HOT_GAP:
            return (
                f"scores of a head differ by {self.gap}: its softmax is exactly one-hot from"
                f" {ONE_HOT_GAP} on"
            )
        bits = self._largest_bits()
        if bits > FINITE[self.dtype]:
            reported = (
                f"numbers of a forward pass may reach 2^{bits}, and {self.dtype} surely holds"
                " those below"
            )
            return (
                f"{reported} 2^{FINITE[self.dtype]}; a number that overflows at any position"
                " spoils all"
            )
        return ""

    def _largest_bits(self) -> int:
        """All numbers of a forward pass, at positions whose states mean nothing too, are below 2
        to the power of this.

        By absolute values, each coordinate by itself, and as floating point computes them: rounded
        in every operation.
        """
        precision, positions = EXACT[self.dtype], len(self.positions)

        def through(sizes: Sizes, matrix: Matrix) -> Sizes:
            return sizes.through(matrix).rounded(matrix.terms, precision)

        stream = (
            Sizes(self.largest)
            .plus(Sizes(np.abs(self.positions).max(axis=0)))
            .rounded(1, precision)
        )
        high = [stream, Sizes(np.array([self.highest]))]
        for heads, mlp in self.layers:
            # by one product for all heads
            before, written = stream, sum(output.terms for *_, output in heads)
            for query, key, value, output in heads:
                asked, held, read = (through(before, matrix) for matrix in (query, key, value))
                scores = asked.times(held).rounded(len(query.dense), precision)
                # The computed weights add up to 1 but for the rounding of their sum, then of each
                # quotient.
                mixed = (
                    read.rounded(4 * positions, precision)
                    .through(output)
                    .rounded(written, precision)
                )
                stream = stream.plus(mixed).rounded(1 + len(heads), precision)
                high += [asked, held, read, scores, mixed, stream]
            hidden = stream
            for matrix in mlp:
                hidden = through(hidden, matrix)
                high.append(hidden)
            stream = stream.plus(hidden).rounded(1, precision) if mlp else stream
            high.append(stream)
        return max(sizes.bits() for sizes in high)
