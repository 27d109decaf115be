"""Rank analyses of a study's data, and the same analyses of replicated trials."""
