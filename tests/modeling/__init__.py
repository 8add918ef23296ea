"""Tests of simzss.modeling."""
