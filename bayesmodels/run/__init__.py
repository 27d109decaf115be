"""Batch jobs: configuration to run folder."""
