"""Trial-level surrogacy: metrics and verdict from the posterior of a trial-level model."""
