"""What training finds: measured, compared with the constructions, and proven."""
