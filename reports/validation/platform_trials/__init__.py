"""Operating characteristics of a platform trial with shared controls."""
