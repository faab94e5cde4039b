"""What training finds: measures of any decoder, each with its null and its control beside it."""
