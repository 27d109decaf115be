"""Which prior of a baseline hazard moves an association."""
