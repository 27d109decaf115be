"""Checks of every cell, row and table, and the lines that say what is wrong with them."""
