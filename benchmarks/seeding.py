"""What becomes of a construction in a decoder that is trained: do its facts survive another task,
and is it quicker to learn related things?

    python benchmarks/seeding.py                          # 15 minutes on one core
    python benchmarks/seeding.py --plot docs/seeding.svg  # needs matplotlib
    python benchmarks/seeding.py --first-seed 0           # the seeds that settings were chosen by

One architecture (pre-norm RMSNorm, two blocks), one optimizer (AdamW without decay, rate 0.001),
the same steps for all; five seeds at once. What rows mean is in docs/seeding.md, their settings in
seeding_ways.py, the tasks in seeding_tasks.py. No fact is shown but where a row says replay. An
answer is right if its logit is the largest of all tokens'. Shown are the mean over the seeds, and
at the end the least and the largest; *own*: facts, the largest among the construction's tokens
alone; *dead*: hidden units that are 0 in all of the second task at the end.

Then the entities' embeddings alone are trained on new facts, and it is counted how many bits of
the open block end below 0, where the selector's ReLU passes no gradient.
"""

import argparse

import numpy as np
import seeding_beginnings as beginnings
import torch
from seeding_tasks import (
    SECOND_TASKS,
    N,
    R,
    bijections,
    new_relations,
    two_hops,
)
from seeding_training import Training, train
from seeding_ways import DRAWN, MARGIN_16, RELATED, SHORT, WAYS

RATE, RATES, BATCH, EVERY = 1e-3, (1e-3, 1e-2, 1e-1), 32, 20
COLOURS = dict(zip(DRAWN, ["C3", "C2", "C0", "C1", "C7"], strict=True))


class Comparison:
    """The runs of some seeds."""

    def __init__(self, seeds, steps):
        self.seeds, self.steps = list(seeds), steps
        self.shown = (EVERY, steps // 4, steps)
        self.all = range(EVERY, steps + 1, EVERY)
        self.facts = [bijections(seed)[1] for seed in self.seeds]
        self.taught, self.taught_steps = beginnings.taught(self.seeds, RATE)

    def begin(self, name):
        """Models of this row."""
        models = WAYS[name].begin(self.seeds, self.taught)
        known = [right(model, task) for model, task in zip(models, self.facts, strict=True)]
        if (min(known) == 1) != (name != "random"):
            raise RuntimeError(f"{name}: a beginning knows all facts, unless it is random")
        return models

    def train(self, name, tasks, all_steps=False, held_out=None):
        """Curves of one row on a second task."""
        return train(
            self.begin(name),
            self.seeds,
            tasks,
            self.facts,
            WAYS[name].training,
            rate=RATE,
            steps=self.steps,
            batch=BATCH,
            at=self.all if all_steps else self.shown,
            held_out=held_out,
        )

    def new_facts(self, models, rate):
        """Curves of new facts, the entities' embeddings trained on them."""
        tasks = [bijections(1000 + seed)[1] for seed in self.seeds]
        only = Training(only=("embedding.weight", N))
        return train(
            models, self.seeds, tasks, self.facts, only,
            rate=rate, steps=self.steps, batch=2 * BATCH, at=self.all,
        )  # fmt: skip


@torch.no_grad()
def right(model, task):
    """The share of right answers."""
    return (model(task[0])[:, -1].argmax(-1) == task[1]).double().mean().item()


def line(name, columns, width=6):
    """A row of a table, of at most 99 columns: shares in three digits, all else as it is."""
    shown = [f"{one:.3f}" if isinstance(one, float) else str(one) for one in columns]
    return f"{name:<35}" + "".join(f"{one:>{width}}" for one in shown)


def second_task(runs, which):
    """Print what survives one second task; the curves of the rows that are drawn."""
    title, task = SECOND_TASKS[which]
    curves, quarter = {}, runs.steps // 4
    print(f"\nsecond task: {title}")
    columns = (EVERY, quarter, runs.steps, "least", "most", "own", quarter, runs.steps, "least")
    print(f"{'':<36}{'facts after':<36}task after")
    print(line("", [*columns, "dead"]))
    for name in WAYS if which == "addition" else SHORT:
        drawn = which == "addition" and name in DRAWN
        found = curves[name] = runs.train(name, [task(seed) for seed in runs.seeds], drawn)
        facts = [found.after(steps, "facts") for steps in runs.shown]
        answers = [found.after(steps, "task") for steps in runs.shown[1:]]
        shown = [
            *(one.mean() for one in facts),
            *(facts[-1].min(), facts[-1].max(), found.after(runs.steps, "own").mean()),
            *(one.mean() for one in answers),
            answers[-1].min(),
            dead_units(found.models, [task(seed)[0] for seed in runs.seeds]),
        ]
        print(line(name, shown), flush=True)
    return curves


@torch.no_grad()
def dead_units(models, tokens):
    """The share of hidden units that are 0 at every position of these sequences, of each model its
    own.
    """
    shares = []

    def count(_, __, inputs):
        shares.append((inputs <= 0).flatten(0, -2).all(0).double().mean().item())

    for model, sequences in zip(models, tokens, strict=True):
        hooks = [
            block.mlp.weights[0].register_forward_hook(count) for block in model.block_sequence()
        ]
        model(sequences)
        for hook in hooks:
            hook.remove()
    return np.mean(shares)


def related(runs):
    """Print how quickly related things are learned."""
    quarter = runs.steps // 4
    print("\nrelated things, all weights trained on them")
    print(f"{'':<38}{'new relations after':<36}two hops after")
    columns = (quarter, runs.steps, "facts", "")
    print(line("", [*columns, quarter, runs.steps, "held out"], 9))
    for name in RELATED:
        found = runs.train(name, [new_relations(seed) for seed in runs.seeds])
        relations = [found.after(steps, "task").mean() for steps in runs.shown[1:]]
        facts = found.after(runs.steps, "facts").mean()
        parts = [two_hops(seed) for seed in runs.seeds]
        found = runs.train(name, [a for a, _ in parts], held_out=[b for _, b in parts])
        hops = [found.after(steps, "task").mean() for steps in runs.shown[1:]]
        held = found.after(runs.steps, "held_out").mean()
        print(line(name, [*relations, facts, "", *hops, held], 9), flush=True)


def below_zero(model, seed):
    """The shares of all bits that a query of the new facts reads below 0, and of those that
    should be 1.
    """
    tokens, answers = bijections(1000 + seed)[1]
    columns = torch.from_numpy(model.embedding_map.columns[:-1]).reshape(R, -1)
    entity, relation = tokens[:, 0], tokens[:, 1] - N
    with torch.no_grad():
        bits = model.embedding.weight[entity[:, None], columns[relation]]
        ones = model.unembedding.weight[answers[:, None], columns[0]] > 0
    return (bits < 0).double().mean().item(), ((bits < 0) & ones).double().mean().item()


def new_facts(runs):
    """Print how new facts are learned through embeddings; the curves at the middle rate."""
    print(
        f"\nonly the entities' embeddings trained on new facts: after {runs.steps // 4} and"
        f" {runs.steps} steps;\nbits below 0 at the end, and those of them that should be 1"
    )
    print(
        f"{'':<19}" + "".join(f"{f'rate {rate:g}':>12}{'below':>7}{'wrong':>7}" for rate in RATES)
    )
    curves = {}
    rows = {
        "seeded, margin 16": lambda: runs.begin("seeded, margin 16"),
        "bits at 1/2 and 3/2": lambda: [
            beginnings.seeded(seed, bits_at=0.5, **MARGIN_16) for seed in runs.seeds
        ],
        "taught": lambda: runs.begin("taught"),
        "random": lambda: runs.begin("random"),
    }
    for name, begin in rows.items():
        print(f"{name:<19}", end="")
        for rate in RATES:
            found = curves[name, rate] = runs.new_facts(begin(), rate)
            quarter, end = (found.after(s, "task").mean() for s in (runs.steps // 4, runs.steps))
            print(f"{f'{quarter:.3f} {end:.3f}':>12}", end="")
            shares = [
                below_zero(model, seed)
                for model, seed in zip(found.models, runs.seeds, strict=True)
                if hasattr(model, "embedding_map")
            ]
            shown = [f"{share:.3f}" for share in np.mean(shares, 0)] if shares else ["", ""]
            print(f"{shown[0]:>7}{shown[1]:>7}", end="", flush=True)
        print()
    return curves


def plot(path, first, new, steps):
    """Draw facts, second task and new facts against steps, mean and range over the seeds."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(
        {"svg.hashsalt": "seeding", "svg.fonttype": "path", "font.size": 9}
    ):
        figure = Figure(figsize=(9.6, 3.2), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        titles = [
            "facts, of which none is shown",
            "second task: addition",
            f"new facts, embeddings only, rate {RATES[1]:g}",
        ]
        shown = [
            {name: first[name].facts for name in DRAWN},
            {name: first[name].task for name in DRAWN},
            {name: found.task for (name, rate), found in new.items() if rate == RATES[1]},
        ]
        for axes, title, curves in zip(panels, titles, shown, strict=True):
            for name, found in curves.items():
                shares = np.array(found)
                at = np.arange(len(shares)) * EVERY
                colour = COLOURS.get(name, "C4")
                axes.plot(at, shares.mean(1), color=colour, label=name)
                axes.fill_between(
                    at, shares.min(1), shares.max(1), color=colour, alpha=0.15, linewidth=0
                )
            axes.set(title=title, xlabel="steps", xlim=(0, steps), ylim=(-0.02, 1.02))
            axes.grid(alpha=0.25, linewidth=0.5)
        panels[0].set_ylabel("share of right answers")
        panels[0].legend(frameon=False, fontsize=7)
        panels[2].legend(frameon=False, fontsize=7)
        figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tables = (*SECOND_TASKS, "related", "new-facts")
    parser.add_argument("tables", nargs="*", help=f"{', '.join(tables)}; by default all")
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5, help="how many, counted from the first")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--plot", metavar="FILE", help="draw curves as SVG")
    options = parser.parse_args()
    if options.steps < 1 or options.steps % (4 * EVERY):
        parser.error(f"--steps {options.steps}: give a multiple of {4 * EVERY}")
    wanted = options.tables or tables
    if unknown := set(wanted) - set(tables):
        parser.error(
            f"there is no table {', '.join(sorted(unknown))}; tables: {', '.join(tables)}"
        )
    if options.plot and not {"addition", "new-facts"} <= set(wanted):
        parser.error("--plot draws what addition and new-facts print; name both")
    torch.set_num_threads(1)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    runs = Comparison(seeds, options.steps)
    print(
        f"N = {N}, R = {R}, d_model = {beginnings.SHAPE.d_model}, rate {RATE:g}, batches of"
        f" {BATCH}; mean share of right answers,\nseeds {seeds[0]} to {seeds[-1]}; taught in"
        f" {runs.taught_steps.min()} to {runs.taught_steps.max()} steps"
    )
    curves = {which: second_task(runs, which) for which in SECOND_TASKS if which in wanted}
    if "related" in wanted:
        related(runs)
    new = new_facts(runs) if "new-facts" in wanted else {}
    if options.plot:
        plot(options.plot, curves["addition"], new, options.steps)
        print(f"drawn: {options.plot}")


if __name__ == "__main__":
    main()
