"""Other forms of a construction, and the bounds that follow a change."""
