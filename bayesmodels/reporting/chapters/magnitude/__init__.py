"""What a reduction of the surrogate implies, on each level of evidence; and the responder trap."""
