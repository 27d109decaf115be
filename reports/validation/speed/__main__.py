"""Command line of the study."""

import sys

from bayesmodels.trials.results import run_once
from validation.speed import study
from validation.speed.page import page

if __name__ == "__main__":
    sys.exit(run_once("validation.speed", study.__doc__, study.results, page))
