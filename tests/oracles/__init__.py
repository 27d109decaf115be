"""Independent implementations that only the tests use."""
