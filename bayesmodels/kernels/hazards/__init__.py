"""Competing proportional hazards along persons' courses: likelihood of exits, gradient, replicates."""
