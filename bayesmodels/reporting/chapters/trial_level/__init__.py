"""Trial level: effects on the surrogate against effects on the outcome, over randomised contrasts."""
