"""Training: from a manifest and a recipe to a detector folder."""
