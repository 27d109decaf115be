"""README of the study of VALOR's later weeks with and without exits, from its tables."""

from __future__ import annotations


def readme(tables, command):
    """Placeholder while tables are made."""
    return ""
