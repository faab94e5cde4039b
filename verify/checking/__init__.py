"""What is checked of a model folder, and by which checker."""
