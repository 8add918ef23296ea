"""Tests of the demo world, its backbone and its run."""
