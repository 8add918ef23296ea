"""Captions from wherever they lie: one reader per kind of file, all yielding the same rows."""
