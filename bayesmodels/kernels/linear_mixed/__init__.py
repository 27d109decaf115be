"""Linear mixed model with the persons' random effects integrated out: likelihood, gradient, replicates."""
