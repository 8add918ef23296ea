"""Tests of simzss.training."""
