"""Model of published arm-by-visit means."""
