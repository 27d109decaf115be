"""Many simulated trials: specification, loop over processes, records."""
