"""Tests of simzss.data."""
