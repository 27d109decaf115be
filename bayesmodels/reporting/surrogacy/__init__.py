"""How far an effect on a biomarker predicts an effect on the disease: three rungs of evidence, kept apart."""
