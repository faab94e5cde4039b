"""Graphs whose edges are memorised, and how much of a graph's shape its nodes' embeddings show."""
