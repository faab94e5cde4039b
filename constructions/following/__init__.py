"""What is known of all numbers of a forward pass, followed through the layers by one walk."""
