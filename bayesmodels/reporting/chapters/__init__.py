"""Chapters of a report, one file per chapter."""
