"""What a reduction of the surrogate implies for the outcome, on each level of evidence."""
