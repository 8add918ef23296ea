"""Models of other libraries, and of other packages, as the segmenter takes them: `PLUGIN:NAME` in place of a folder."""
