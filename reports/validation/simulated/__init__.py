"""Trials simulated in NumPy from the models' own formulas, for calibration and recovery."""
