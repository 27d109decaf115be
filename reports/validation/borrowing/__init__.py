"""Borrowing from external controls whose rate drifts: type I error, power and bias of four analyses."""
