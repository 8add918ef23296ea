"""The language side against hand-made parses, hand-annotated captions and other libraries."""
