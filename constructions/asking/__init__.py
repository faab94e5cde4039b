"""What a question in words asks for: a subject and a path of relations."""
