"""Observed data beside replicates of them, and what a joint model says of the trial's population."""
