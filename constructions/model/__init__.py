"""The residual stream as named slots, the transformer, and how a model is asked."""
