"""A cell, and what is found of it where nothing is wrong."""

from verify.queries.answers import Recall
from verify.runner.cells import Cell

GOOD = Cell("selector", 20, 3)
SOUND = Recall(planned=60, queries=60, wrong=0, margin=2.0, logits="both")
