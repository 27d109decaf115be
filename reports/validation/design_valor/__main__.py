"""Command line of the study."""

import sys

from bayesmodels.trials.results import run_once
from validation.design_valor import study

if __name__ == "__main__":
    sys.exit(run_once("validation.design_valor", study.__doc__, study.results, study.page))
