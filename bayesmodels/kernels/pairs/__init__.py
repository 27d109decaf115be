"""Pairs of correlated values: of patients in clusters, and of estimates about true effects."""
