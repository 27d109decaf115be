"""Criteria of one trial: surrogate and outcome of the persons in two arms, and each measure of surrogacy made from them."""
