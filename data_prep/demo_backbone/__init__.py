"""How the backbone of the demo was made: pretrained without labels on pairs of pictures of the demo world."""
