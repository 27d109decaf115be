"""pbcseq, two outcomes, 312 persons: the collapsed likelihood against the textbook non-centred model, nutpie for both.

    python benchmarks/pbcseq.py [--draws 1000 --tune 1000 --chains 4 --cores 2 --seed 1]

The table, pbcseq of the R package survival, is not in the repository.
"""

from cold_and_warm import compare
from forms import PBCSEQ

if __name__ == "__main__":
    if not PBCSEQ.exists():
        raise SystemExit(f"{PBCSEQ}: not there; it is pbcseq of the R package survival; nothing measured")
    compare("pbcseq, two outcomes", {"collapsed (ours)": "pbcseq collapsed", "textbook": "pbcseq textbook"})
