"""Command line of the study."""

import sys

from bayesmodels.trials.results import run_once
from validation.valor_exits import study
from validation.valor_exits.page import page

if __name__ == "__main__":
    sys.exit(run_once("validation.valor_exits", study.__doc__, study.results, page))
