"""Networks and tensor mathematics: the frozen vision backbone, the text encoder, their tokens and poolings."""
