"""Chapters on events: hazards, associations, survival, estimands, prediction."""
