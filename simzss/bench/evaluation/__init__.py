"""What `simzss bench evaluate` measures: the evaluator beside the plain way of doing the same."""
