"""Networks and tensor mathematics: the frozen vision backbone, the text encoder, their tokens and poolings."""

RANDOM = "random"
"""In place of a file with weights: they are drawn."""
