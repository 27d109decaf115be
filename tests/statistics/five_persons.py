"""Five persons with a tie, two deaths and a competing exit: small enough to work by hand."""

import numpy as np

TIME = np.array([1.0, 2.0, 2.0, 3.0, 5.0])
EVENT = np.array(["death", "none", "exit", "death", "none"])
