"""Seeded against random initialisation: do facts survive a second task, and are new ones learned
through embeddings alone?

    python benchmarks/seeding.py                              # some minutes on two cores
    python benchmarks/seeding.py --plot docs/seeding.svg      # needs matplotlib

One architecture (pre-norm RMSNorm, two blocks), one optimizer (AdamW without decay), the same
steps for all. Beginnings:

* seeded: random, then `seed_into(target, selector(facts))`, its unembedding times 8: a logit
  margin of 16;
* seeded, held: the same, and `hold_construction()` while training;
* taught: random, then trained on the facts until all are recalled;
* random: random.

First, all weights are trained on addition modulo P alone, in tokens of its own, and no fact is
shown. Second, the relations become other bijections, and only the entities' rows of the token
embedding are trained, on these new facts. An answer is right if its logit is the largest of all
tokens'. Shown is the mean over the seeds, in plots with the range.
"""

import argparse
import copy

import numpy as np
import torch

from constructions import FactTable, StandardDecoder, StandardShape, seed_into, selector
from constructions.facts.vocabulary import Vocabulary

N, R, P = 32, 4, 13
N_OWN = len(Vocabulary(N, R))
SHAPE = StandardShape(
    N_OWN + P + 1,
    d_model=96,
    n_layers=2,
    n_heads=2,
    d_head=32,
    d_mlp=128,
    n_positions=3,
    norm="rmsnorm",
)
SCALE, MARGIN, BATCH, EVERY = 0.1, 8, 64, 20
RATE, RATES = 1e-3, (1e-3, 1e-2, 1e-1)
KINDS = ["seeded", "seeded, held", "taught", "random"]
COLOURS = dict(zip(KINDS, ["C0", "C2", "C1", "C7"], strict=True))


def bijections(seed):
    """Random facts; their queries (N R, 2) and answers (N R,)."""
    facts = FactTable.random_bijections(N, R, seed)
    relation, entity = np.divmod(np.arange(N * R), N)
    queries = torch.from_numpy(np.stack([entity, N + relation], 1))
    return facts, (queries, torch.from_numpy(facts.answers[relation, entity]))


def additions():
    """`a b =` (P^2, 3) and `a + b mod P` (P^2,), in tokens beyond those of the facts."""
    a, b = torch.arange(P * P) // P, torch.arange(P * P) % P
    return (
        torch.stack([N_OWN + a, N_OWN + b, torch.full_like(a, N_OWN + P)], 1),
        N_OWN + (a + b) % P,
    )


@torch.no_grad()
def right(model, task):
    return (model(task[0])[:, -1].argmax(-1) == task[1]).double().mean().item()


def train(model, weights, task, rate, steps, watched, seed, until_right=False):
    """The share of right answers in each watched task, at the beginning and after every EVERY
    steps: (times, tasks).
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(weights, rate, weight_decay=0)
    curves = [[right(model, one) for one in watched]]
    for step in range(1, steps + 1):
        chosen = torch.randint(len(task[1]), (BATCH,), generator=generator)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(
            model(task[0][chosen])[:, -1], task[1][chosen]
        ).backward()
        optimizer.step()
        if step % EVERY == 0:
            curves.append([right(model, one) for one in watched])
            if until_right and curves[-1][0] == 1:
                break
    return np.array(curves)


def begin(kind, seed):
    """A model of this kind, and how many steps it was taught."""
    facts, task = bijections(seed)
    torch.manual_seed(seed)
    model = StandardDecoder(SHAPE)
    model.reset_parameters(SCALE)
    if kind.startswith("seeded"):
        model = seed_into(model, selector(facts))
        with torch.no_grad():
            model.unembedding.weight *= MARGIN
    taught = 0
    if kind == "taught":
        taught = EVERY * (
            len(train(model, model.parameters(), task, RATE, 5000, [task], seed, until_right=True))
            - 1
        )
    if (right(model, task) == 1) != (kind != "random"):
        raise RuntimeError(f"{kind}: a beginning knows all facts, unless it is random")
    return model, taught


def second_task(kind, seed, steps):
    """Curves of the second task and of the facts, all weights trained on the second task."""
    model, taught = begin(kind, seed)
    if kind == "seeded, held":
        model.hold_construction()
    _, facts = bijections(seed)
    return (
        train(model, model.parameters(), additions(), RATE, steps, [additions(), facts], seed),
        taught,
    )


def new_facts(kind, seed, rate, steps):
    """The curve of new facts, the entities' embeddings trained on them."""
    model = copy.deepcopy(begin(kind, seed)[0])
    model.embedding.weight.register_hook(
        lambda gradient: gradient * (torch.arange(len(gradient)) < N)[:, None]
    )
    _, task = bijections(1000 + seed)
    return train(model, [model.embedding.weight], task, rate, steps, [task], seed)[:, 0]


def plot(path, second, new, steps):
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(
        {"svg.hashsalt": "seeding", "svg.fonttype": "path", "font.size": 9}
    ):
        figure = Figure(figsize=(9.6, 3.2), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        titles = [
            "facts, of which none is shown",
            "second task",
            f"new facts, embeddings only, rate {RATES[1]:g}",
        ]
        curves = [
            {kind: second[kind][..., 1] for kind in KINDS},
            {kind: second[kind][..., 0] for kind in KINDS},
            {kind: found for (kind, rate), found in new.items() if rate == RATES[1]},
        ]
        for axes, title, shown in zip(panels, titles, curves, strict=True):
            for kind, found in shown.items():
                at = np.arange(found.shape[1]) * EVERY
                axes.plot(at, found.mean(0), color=COLOURS[kind], label=kind)
                axes.fill_between(
                    at, found.min(0), found.max(0), color=COLOURS[kind], alpha=0.15, linewidth=0
                )
            axes.set(title=title, xlabel="steps", xlim=(0, steps), ylim=(-0.02, 1.02))
            axes.grid(alpha=0.25, linewidth=0.5)
        panels[0].set_ylabel("share of right answers")
        panels[1].legend(frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--plot", metavar="FILE", help="draw the curves as SVG")
    options = parser.parse_args()
    if options.steps < 1 or options.steps % (4 * EVERY):
        parser.error(f"--steps {options.steps}: give a multiple of {4 * EVERY}")
    torch.set_num_threads(1)
    seeds, steps = range(options.seeds), options.steps
    print(
        f"N = {N}, R = {R}, addition modulo {P}, d_model = {SHAPE.d_model}; mean share of right"
        f" answers, {len(seeds)} seeds"
    )
    print(f"\nall weights trained on the second task, rate {RATE:g}")
    print(
        f"{'':<14}{'taught steps':>13}{'second task, after ' + str(steps // 4):>24}{steps:>6}",
        end="",
    )
    print(f"{'facts, after ' + str(EVERY):>18}{steps // 4:>6}{steps:>6}")
    second = {}
    for kind in KINDS:
        found = [second_task(kind, seed, steps) for seed in seeds]
        second[kind] = np.array([curves for curves, _ in found])
        shares = second[kind].mean(0)
        quarter = steps // 4 // EVERY
        print(f"{kind:<14}{np.mean([taught for _, taught in found]):>13.0f}", end="")
        print(f"{shares[quarter, 0]:>24.3f}{shares[-1, 0]:>6.3f}", end="")
        print(f"{shares[1, 1]:>18.3f}{shares[quarter, 1]:>6.3f}{shares[-1, 1]:>6.3f}", flush=True)
    print(
        f"\nonly the entities' embeddings trained on new facts: after {steps // 4} and {steps}"
        " steps"
    )
    print(f"{'':<14}" + "".join(f"{f'rate {rate:g}':>18}" for rate in RATES))
    new = {}
    for kind in ("seeded", "taught", "random"):
        print(f"{kind:<14}", end="")
        for rate in RATES:
            new[kind, rate] = np.array([new_facts(kind, seed, rate, steps) for seed in seeds])
            shares = new[kind, rate].mean(0)
            print(f"{shares[steps // 4 // EVERY]:>12.3f}{shares[-1]:>6.3f}", end="", flush=True)
        print()
    if options.plot:
        plot(options.plot, second, new, steps)
        print(f"drawn: {options.plot}")


if __name__ == "__main__":
    main()
