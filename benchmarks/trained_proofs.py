"""A trained model of more than 65,536 facts, proven: in real arithmetic, in float32 in any order
of summation, and rounded, from its file.

    python benchmarks/trained_proofs.py                    # some minutes on one core
    python benchmarks/trained_proofs.py -N 64 -R 4 -d 16 --width 64 --epochs 400   # seconds

The one-layer model (uniform attention, no norms) is trained by `constructions.fit` on random
bijections, in minibatches of 2,048 queries at a rate of 1e-2, and trained on after it recalls all
facts, which enlarges its margins. Then `verify.learned.proven.prove_recall` decides both claims of
the float32 weights; `round_weights` makes integers of at most 10 bits of them (biases 12), and
`verify check`, of which numpy alone is asked, proves that model from its folder. Beside each time
stands that of a plain pass of the module over all queries.

Controls, which must be refused: one wrong fact, by its query; a weight of which one bit is
flipped; two subjects that are exchanged in the rounded model.

Expected, and written down before the reported seeds (100, 101) were run, from seed 0: every query
is decided right by all three, by a margin of at least 1; each proof takes less than ten plain
passes. What would refute that: a share below 100 %, or a control that is accepted.
"""

import argparse
import copy
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from constructions import FactTable, OneLayerShape, fit, round_weights, save_rounded
from verify.checking.check import check
from verify.learned.proven import prove_recall

BATCH, RATE, BITS = 2048, 1e-2, 10


def trained(facts, d_model, width, epochs, seed):
    """The model, in the state after all steps, and its recall."""
    batch = min(BATCH, facts.n_facts)
    each = facts.n_facts // batch
    found = fit(
        OneLayerShape.of(facts, d_model, width),
        facts,
        epochs * each,
        seed,
        rate=RATE,
        batch=batch,
        until=None,
        every=10 * each,
    )
    return found.models[0], float(found.recall[0])


@torch.no_grad()
def plain_pass(model, facts):
    """The share of right answers of the module as it stands, 2,048 queries at a time."""
    tokens, targets = map(torch.from_numpy, facts.dataset())
    right = sum(
        int((model(some).argmax(-1) == wanted[:, 0]).sum())
        for some, wanted in zip(tokens.split(BATCH), targets.split(BATCH), strict=True)
    )
    return right / len(tokens)


def timed(work):
    """What work returns, and the seconds that it took."""
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started


def with_wrong_fact(facts, rng):
    """The table with another answer in one place, and the query."""
    answers = facts.answers.copy()
    relation, subject = int(rng.integers(facts.n_relations)), int(rng.integers(facts.n_entities))
    answers[relation, subject] = (answers[relation, subject] + 1) % facts.n_entities
    return FactTable(answers), f"e{subject} r{relation}"


def flipped(model, rng):
    """A copy in which the highest bit of one weight's exponent is another, and its subject."""
    other = copy.deepcopy(model)
    subject = int(rng.integers(model.shape.n_entities))
    with torch.no_grad():
        other.entities.view(torch.int32)[subject, 0] ^= 1 << 30
    return other, subject


def exchanged(model):
    """A copy in which two subjects have each other's embeddings."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.entities[[0, 1]] = other.entities[[1, 0]]
    return other


def line(name, verdict, decided, margin, seconds):
    number = "" if margin is None else f"{float(margin):.3g}"
    print(f"{name:34}{verdict:>8}{decided:>10.2%}{number:>10}{seconds:>9.1f}")


def claims(proof):
    """Both claims of a proof, by name."""
    return (
        ("in real arithmetic", proof.real),
        (f"in {proof.dtype}, in any order", proof.in_dtype),
    )


def proofs(model, facts, folder):
    """Prove the model, and the rounded one; returns the rounded one."""
    print(f"{'':34}{'verdict':>8}{'decided':>10}{'margin':>10}{'seconds':>9}")
    share, seconds = timed(lambda: plain_pass(model, facts))
    line("a plain pass", "", share, None, seconds)
    for name, claim in claims(prove_recall(model, facts)):
        line(name, claim.verdict, 1 - claim.undecided, claim.margin, claim.seconds)
    rounded = round_weights(model, BITS)
    save_rounded(rounded, facts, folder)
    found, seconds = timed(lambda: check(folder))
    decided = found.verdict != "UNKNOWN"
    line(f"rounded to {BITS} bits, from its file", found.verdict, decided, found.margin, seconds)
    print(f"    {found.rounds or found.reason}")
    return rounded


def controls(model, rounded, facts, folder, seed):
    """What must be refused."""
    rng = np.random.default_rng(seed)
    wrong, query = with_wrong_fact(facts, rng)
    for name, claim in claims(prove_recall(model, wrong)):
        print(f"one wrong fact, {query}, {name}:\n    {claim.in_words()}")
    other, subject = flipped(model, rng)
    for name, claim in claims(prove_recall(other, facts)):
        print(f"a flipped bit, e{subject}, {name}:\n    {claim.in_words()}")
    save_rounded(rounded, wrong, folder)
    print(f"one wrong fact, {query}, rounded:\n    {said(check(folder))}")
    save_rounded(exchanged(rounded), facts, folder)
    print(f"e0 and e1 exchanged, rounded:\n    {said(check(folder))}")


def said(verdict):
    return f"{verdict.verdict}: {verdict.reason}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-N", type=int, default=1100, help="entities (default 1100)")
    parser.add_argument("-R", type=int, default=64, help="relations (default 64)")
    parser.add_argument("-d", type=int, default=128, help="d_model (default 128)")
    parser.add_argument("--width", type=int, default=1024, help="hidden units (default 1024)")
    parser.add_argument("--epochs", type=int, default=40, help="over all facts (default 40)")
    parser.add_argument("--seed", type=int, default=100, help="of facts and weights")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    facts = FactTable.random_bijections(options.N, options.R, options.seed)
    (model, recall), seconds = timed(
        lambda: trained(facts, options.d, options.width, options.epochs, options.seed)
    )
    print(
        f"N = {options.N}, R = {options.R}: {facts.n_facts:,} facts; d = {options.d}, width"
        f" {options.width}, seed {options.seed}\ntrained in {seconds:.0f} s: recall {recall:.2%}"
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "rounded"
        rounded = proofs(model, facts, folder)
        controls(model, rounded, facts, folder, options.seed)


if __name__ == "__main__":
    main()
