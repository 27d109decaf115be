"""Borrowing in the shared-rate model from external controls whose decline drifts: type I error, power and bias."""
