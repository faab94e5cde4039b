"""The command line: arguments, commands, tables, pictures."""
