"""Command line of the study."""

import sys

from validation.individual_level.study import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
