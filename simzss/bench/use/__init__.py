"""The use of a saved model, measured."""
