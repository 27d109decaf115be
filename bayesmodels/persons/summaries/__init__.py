"""Predictive checks (observed data and replicates of them), and a joint model's curves of the trial's population."""
