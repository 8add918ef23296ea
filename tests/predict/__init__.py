"""Tests of `simzss.predict`."""
