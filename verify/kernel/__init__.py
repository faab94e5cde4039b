"""The kernel: what reads the files of a model folder, and says what was found."""
