"""Model of a platform trial with one rate ratio on decline and hazard."""
