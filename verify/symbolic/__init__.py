"""The checker of saved models: their certificate, proven from the files alone."""
