"""The same function in other weights, and the bounds that follow a change.

    rotated = change_basis(model, orthogonal)  # dense superpositions, no feature on an axis
    wide = widen(model, d_model=256, d_mlp=1024, n_heads=8, n_layers=4)  # the very same logits
    radius = noise_radius(wide, "queries")  # certified
    noisy = widen(model, 256, 1024, 8, 4, noise=radius)  # every fact is still answered
    install(noisy, other_facts)
    normalized = normalize(model, "layernorm", "pre")  # norms that act as the identity

Each returns a new module; the model that was given is not changed, but by `install`. A form has no
certificate: its weights are no longer integers in named slots. It is verified by running it on all
queries (`verify.queries.recall`), and by `noise_radius`. Standard decoders and seeds in them are
in `constructions.decoders.seeding`.
"""
