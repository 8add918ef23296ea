"""Two ways from a caption to the concepts in it: a parser, or a gazetteer of the bank's own names."""
