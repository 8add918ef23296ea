"""Tar shards as a training set: read as streams, in an order that seed and step decide."""
