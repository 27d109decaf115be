"""Analyses computed after a fit from its model, data and posterior."""
