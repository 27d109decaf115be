"""Command line of the study."""

import sys

from validation.borrowing_decline.study import STUDY

if __name__ == "__main__":
    sys.exit(STUDY.main())
