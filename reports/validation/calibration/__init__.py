"""Simulation-based calibration of every model: ranks of truths drawn from the prior."""
