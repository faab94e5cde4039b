"""The draft: what embeddings hold, heads copy, units compute and layers keep; and the certificate
of it.
"""
