"""How often each verdict of the individual level is given of a fit of persons' visits."""
