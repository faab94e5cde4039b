# %% [markdown]
# # From a theorem to numbers at your own sizes
#
# *For who proves theorems. 15 minutes to read, half a minute to run; the extra `plot`. As a
# script: [own_numbers.py](own_numbers.py).*
#
# **At the end you will know** what Theorems 4.1 to 4.4 say at the N, R and k of your choice, in
# exact numbers and in LaTeX; which construction comes how close to which lower bound, as a figure
# of your own; and how a lower bound that you have thought of is held against all constructions.

# %%
import math

import matplotlib.pyplot as plt

from bounds.formulas import formula
from bounds.lower_bound import LowerBound
from bounds.plans import plans
from bounds.theorem_4_2 import every_bound
from verify import check_bound, check_construction

N, R, k = 4096, 4, 3  # change these, and run everything again

# %% [markdown]
# ## A theorem as a formula
#
# Theorem 4.1 has a construction `selector`, 4.3 has `precomputed` and `key_value_rows`, 4.4 has
# `chain_of_thought`. Each size of each is one expression, from which models are built as well:

# %%
for name in ("selector", "precomputed", "key_value_rows", "chain_of_thought"):
    d = formula(name, "d_model")
    hops = 1 if name == "selector" else k
    options = {"j": 1} if name == "chain_of_thought" else {}
    print(f"{name:17} d_model = {d.at(N=N, R=R, k=hops, **options):>4}   {d}")

# %% [markdown]
# For a paper (`python -m verify list --latex` prints the table of all constructions), and as N
# grows:

# %%
d = formula("selector", "d_model")
print("in LaTeX:", d.latex())
print("leading term:", d.limit())

# %% [markdown]
# ## Is it true?
#
# A formula may be wrong. So the construction is built at a smaller size, every query is run, or
# proven where they are many, and all sizes and the margin are compared with what the theorem says:

# %%
result = check_construction("precomputed", N=64, R=R, k=2)
decided = "proven" if result.wrong is None else f"{result.queries:,} queries, {result.wrong} wrong"
print(f"{result.verdict}: {decided}, margin {result.margin}")
assert result.verdict == "PASS"

# %% [markdown]
# ## What no model can do without
#
# Theorem 4.2 bounds the bits *inside* a model, B_T, from below, given the bits of one embedding,
# B_e. With no bits in the embeddings, and with as many as there are facts of a subject:

# %%
m = math.ceil(math.log2(N))
for embedding_bits in sorted({0, R * m}):
    print(f"B_e = {embedding_bits}")
    for name, bound in every_bound(N, R, k, embedding_bits, 0).items():
        bits = bound if isinstance(bound, str) else f"{bound.bits:,.0f}"
        print(f"    {name:24}{bits:>12}")

# %% [markdown]
# A negative number says nothing. A bound that cannot be had at a size, as at a few entities, says
# why in place of a number.
#
# ## The figure
#
# Each construction is a point, B_e to the right and B_T upwards; each bound is a curve, and no
# model that answers in one pass is below it.

# %% mystnb={"image": {"alt": "Constructions as points above the curves of the bounds"}}
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
grid = [0, *(round(2 ** (x / 4)) for x in range(60))]
for name in ("global", "sharpened_global"):
    curve = [every_bound(N, R, k, bits, 0)[name] for bits in grid]
    heights = [0 if isinstance(bound, str) else max(bound.bits, 0) for bound in curve]
    ax.plot(grid, heights, label=f"bound: {name}")
for plan in plans(N, R, k):
    if not plan.options:
        costs = plan.costs
        ax.plot(costs.embedding_bits, costs.internal_bits, "o", label=plan.label)
ax.set(xscale="symlog", yscale="symlog", xlabel="B_e, bits of an embedding", ylabel="B_T")
ax.set_title(f"N = {N:,}, R = {R}, k = {k}")
ax.legend(loc="lower left", fontsize=8)
figure.savefig("plane.svg")

# %% [markdown]
# `python -m verify bound -N 4096 -R 4 -k 3 --plot plane.svg` draws all of it with all bounds.
#
# ## A bound of your own
#
# Here is one with a proof of three lines. Let relation 0 be the identity. Then the path
# (r, 0, ..., 0) has the answer of relation r, so that the answers differ for any two of the
# `(N!)^(R-1)` tuples that are left. What is inside and the `N + R` embeddings must differ too, so
# together they have `(R-1) log2 N!` bits; and half of the factors of N! are N/2 or more.


# %%
def idle_relation(n_entities, n_relations, hops, embedding_bits):
    """With relation 0 the identity, the paths (r, 0, ..., 0) say all other relations."""
    half = n_entities / 2
    return (n_relations - 1) * half * math.log2(half) - (n_entities + n_relations) * embedding_bits


mine = LowerBound(idle_relation, unembedding="fixed", of_facts=True)
found = check_bound(mine)
print(found)
assert found.verdict == "PASS"

# %% [markdown]
# It is held against every construction that its hypotheses let it speak of, at many sizes. This is
# no proof of it, but it catches what is wrong. Forget the embeddings, for example:


# %%
def forgetful(n_entities, n_relations, hops, embedding_bits):
    """The same, without what the embeddings hold."""
    half = n_entities / 2
    return (n_relations - 1) * half * math.log2(half)


wrong = check_bound(LowerBound(forgetful, unembedding="fixed", of_facts=True))
print(*str(wrong).splitlines()[:4], sep="\n")
assert wrong.verdict == "FAIL"

# %% [markdown]
# ## Exercises
#
# 1. At which R does `key_value_rows` have fewer entries in an embedding than `selector` at your N?
#    (`formula(..., "d_model")`, and `python -m verify plan`: [choosing](../docs/choosing.md).)
# 2. Draw the other bounds into the figure. What does a curve that ends on 0 say?
#    ([Lower bounds](../docs/lower-bounds.md).)
# 3. A chain of thought writes tokens before it answers. Does your bound hold for it too? Claim so
#    with `writing=True`: how many more times is it held against a construction? Which embeddings
#    does its proof count? ([A bound of your own](../docs/add-a-construction.md).)
# 4. Prove a bound with `facts="functions"`: how many tuples of functions are there?
#    ([Theorem 4.2](../docs/theorems/theorem_4_2.md) does it for bijections.)
