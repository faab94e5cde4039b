"""The memories of others, and ours, on the same work (docs/rivals.md)."""
