"""The experiments by name, without importing them: what help needs."""

NAMES = {
    "threshold": "the capacity threshold in one world",
    "worlds": "the capacity threshold in many worlds",
    "superpositions": "superposition, intervention and transfer in many worlds",
    "frozen": "frozen embeddings, the control of Appendix D",
    "single-world": "one world: a high R^2 without transfer",
    "multi-hop": "many hops, at once or by a chain of thought",
    "two-thresholds": "recall and clean superposition, over d",
    "weight-decay": "superposition over weight decay",
    "softmax-attention": "softmax against uniform attention",
    "geometry": "memories of the edges of a graph, looked up or as its shape",
}
DEFAULT = ("threshold", "worlds", "superpositions", "frozen", "single-world", "multi-hop")
"""Those that are run if none is named."""
