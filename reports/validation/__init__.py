"""Studies of the package itself: simulation-based calibration, recovery, operating characteristics, VALOR."""
