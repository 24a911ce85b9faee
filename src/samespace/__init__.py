"""samespace: the embedding layer for retrieval."""
