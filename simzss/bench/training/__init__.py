"""What `simzss bench train` measures: the parts of a run, ways of doing the same, a naive loop, memory."""
