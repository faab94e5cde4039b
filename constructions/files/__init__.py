"""Where files may be written, and folders that are whole or not there."""
