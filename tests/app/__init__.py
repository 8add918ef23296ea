"""Tests of `simzss.app`."""
