"""Surrogacy metrics on posterior draws, and the verdicts they support; no pages, no model."""
