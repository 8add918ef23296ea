"""Tests of the segmentation room."""
