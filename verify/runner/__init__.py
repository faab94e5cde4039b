"""One runner for all long work: jobs, executors, the journal, and how long it will take."""
