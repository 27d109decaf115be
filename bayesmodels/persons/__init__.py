"""Random effects, predictions and imputations of persons, given their data at each posterior draw."""
