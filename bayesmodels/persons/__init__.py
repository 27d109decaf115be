"""Persons behind a fit: random effects, predictions, futures and imputations, given the data at each draw."""
