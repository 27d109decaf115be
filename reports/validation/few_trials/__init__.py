"""What few trials can say of the trial-level R2."""
