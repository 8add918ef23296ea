"""Loss functions: pure functions on tensors, equal for any number of processes."""
