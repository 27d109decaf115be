"""Recovery under informative death, with and without the hazard in the model."""
