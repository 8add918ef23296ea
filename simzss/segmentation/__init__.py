"""Zero-shot inference: class names and an image in, a label map out. Knows no data set."""
