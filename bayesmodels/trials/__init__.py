"""Studies of many simulated trials: specification, resumable loop over processes, rows, manifest and page."""
