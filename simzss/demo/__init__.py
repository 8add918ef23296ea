"""A small drawn world that needs no download: the whole method in minutes, on any machine."""
