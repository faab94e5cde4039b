"""A cell, and what is found of it where nothing is wrong."""

from verify.cells.cell import Cell
from verify.queries.answers import Recall

GOOD = Cell("selector", 20, 3)
SOUND = Recall(planned=60, queries=60, wrong=0, margin=2.0, logits="both")
