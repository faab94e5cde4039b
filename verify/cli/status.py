"""The exit statuses of the program."""

PASSED, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
