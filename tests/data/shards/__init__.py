"""Training from tar shards."""
