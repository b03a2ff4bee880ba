"""From a model's step function to sequences."""
