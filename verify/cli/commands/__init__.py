"""The commands: for each, the words that it takes and what it does."""
