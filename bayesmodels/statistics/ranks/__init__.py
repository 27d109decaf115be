"""Rank analyses of function and survival together, and the pairwise comparisons that they are made of."""
