"""Prediction for a person: course, visits and events, given the history so far."""
