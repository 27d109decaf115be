"""Study of speed: what a fit costs, how it grows with persons and visits, and peers on the same data."""
