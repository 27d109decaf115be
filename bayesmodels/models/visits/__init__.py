"""What the longitudinal and the joint model share: design, random effects, hazards, priors, published variables."""
