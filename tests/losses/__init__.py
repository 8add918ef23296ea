"""Tests of simzss.losses."""
