"""What training finds: measured with nulls and controls, compared with the constructions, and
proven.
"""
