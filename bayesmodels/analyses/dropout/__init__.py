"""Sensitivity of a comparison to assumptions about persons who left."""
