"""Tests of simzss.objectives."""
