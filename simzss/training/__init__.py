"""Training with Lightning: the module, the optimiser, what is watched and what is kept."""
