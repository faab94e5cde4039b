"""What no model can beat, and what ours cost: numbers and symbols, without torch."""
