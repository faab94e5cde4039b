"""What is printed and written: tables, sentences, pictures and JSON."""
