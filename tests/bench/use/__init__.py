"""Tests of `simzss.bench.use`."""
