"""The language side: captions to grounded concepts. No learned weights of ours; usable without the rest of the package."""
