"""Reading the files of a model folder, and all that they must be."""
