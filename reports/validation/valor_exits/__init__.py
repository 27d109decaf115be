"""VALOR's later weeks with and without participants who left."""
