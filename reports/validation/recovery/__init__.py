"""Coverage of the longitudinal model on simulated trials."""
