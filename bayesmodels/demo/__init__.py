"""The demo: published means of VALOR, and one simulated trial."""
