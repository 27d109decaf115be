"""Criteria of one trial: surrogate and outcome of persons in two arms, and each measure of surrogacy made of them."""
