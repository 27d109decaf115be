"""Chapters of a report, one file a chapter."""
