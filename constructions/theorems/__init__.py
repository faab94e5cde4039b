"""One file for each theorem of the paper, or construction of ours."""
