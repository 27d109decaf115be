"""Evidence on the declared surrogate of one trial: verdicts, and a chapter per family of metrics."""
