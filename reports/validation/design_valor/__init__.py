"""A planned trial in VALOR's own situation: what 108 persons and 28 weeks can show, and the size that could."""
