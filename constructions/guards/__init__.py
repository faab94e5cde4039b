"""What arguments and sizes must satisfy, and the errors that say so."""
