"""What gradient descent finds: the one-layer model of the paper's Section 5, and the training of
many models at once.
"""
