"""Multivariate normal vectors with missing entries, and correlation matrices from partial autocorrelations."""
