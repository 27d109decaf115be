"""Means by start group and nominal visit, with a covariance over visits."""
