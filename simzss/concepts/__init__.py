"""The language side: captions to grounded concepts. No learned weights of ours; usable on its own."""
