"""Bayesian longitudinal models of biomarkers and clinical outcomes in delayed-start trials."""
