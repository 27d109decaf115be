"""A simulated trial of 108 persons, NfL and ALSFRS-R with the default presets: time to a posterior.

python benchmarks/trial108.py [--draws 1000 --tune 1000 --chains 4 --cores 2 --seed 1] [--out rows.json]
"""

from cold_and_warm import compare

if __name__ == "__main__":
    compare("108 simulated persons, two outcomes", {"collapsed (ours)": "trial collapsed"})
