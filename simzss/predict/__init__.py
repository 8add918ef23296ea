"""A saved model for whoever wants to use it: photographs and words in, labels, pictures and masks out."""
