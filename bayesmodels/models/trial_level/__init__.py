"""Models of trial-level effects, and of patients in clusters."""
