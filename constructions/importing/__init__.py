"""Tables in the formats that people have, as facts: CSV, JSON, RDF, Parquet, fact files."""
