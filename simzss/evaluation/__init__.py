"""The segmentation benchmarks, as data, and the one runner that evaluates a model on them."""
