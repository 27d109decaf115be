"""Command line of the study."""

import sys

from validation.platform_trials.study import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
