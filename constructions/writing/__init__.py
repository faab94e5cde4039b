"""The draft: what heads copy and units compute, and the certificate of it."""
