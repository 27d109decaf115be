"""Acceptance study of the fit of VALOR's published means."""
