"""Tests of what `simzss bench train` measures."""
