"""The plan of a run on a corpus of the web."""
