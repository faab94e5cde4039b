"""The certified noise radii of each construction, and the noise that first costs an answer.

    python benchmarks/noise.py                   # N = 5, R = 2, k = 2
    python benchmarks/noise.py -N 16 -R 3 -k 2

All weights get Gaussian noise that is cut off at some size (its standard deviation is a quarter of
that). It begins at the radius by queries and is doubled until some query is answered wrong, for
each of a few seeds; shown is the smallest such size.
"""

import argparse

import torch

from constructions import CATALOGUE, add_noise, noise_radius
from verify.queries.recall import check_recall


def breaking_size(model, radius, seed):
    size = radius
    while (
        check_recall(add_noise(model, size, seed), model.facts, model.hops, logits="full").verdict
        == "PASS"
    ):
        size *= 2
    return size


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-N", type=int, default=5)
    parser.add_argument("-R", type=int, default=2)
    parser.add_argument("-k", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(f"N = {options.N}, R = {options.R}, k = {options.k} (1 where there is one hop), float64")
    print(f"{'':22} {'by norms':>10} {'by queries':>10} {'breaks at':>10} {'times':>8}")
    for entry in CATALOGUE.values():
        facts = entry.random_facts(options.N, options.R, 0)
        model = entry.build(facts, options.k if entry.multi_hop else 1, dtype=torch.float64)
        radius = noise_radius(model, "queries")
        if not radius:
            print(f"{entry.name:22} no radius can be certified")
            continue
        broken = min(breaking_size(model, radius, seed) for seed in range(options.seeds))
        reported = (
            f"{noise_radius(model):10.2g} {radius:10.2g} {broken:10.2g} {broken / radius:8,.0f}"
        )
        print(f"{entry.name:22} {reported}", flush=True)


if __name__ == "__main__":
    main()
