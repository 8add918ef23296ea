"""Captions and images to batches."""
