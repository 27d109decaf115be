"""The design calculation that the study of few trials repeats, and its comparison cell by cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

SOURCE_REPLICATES = 40
ROUNDING = 0.01 / np.sqrt(12)
"""SD of the rounding error of a number printed to two decimals."""

SOURCE: dict[int, dict[float, tuple[float, float, float]]] = {
    2: {0.2: (0.00, 0.26, 0.95), 0.8: (0.00, 0.26, 0.95), 0.95: (0.00, 0.26, 0.95)},
    3: {0.2: (0.00, 0.26, 0.94), 0.8: (0.00, 0.29, 0.95), 0.95: (0.00, 0.30, 0.96)},
    5: {0.2: (0.00, 0.26, 0.89), 0.8: (0.01, 0.44, 0.97), 0.95: (0.01, 0.47, 0.97)},
    8: {0.2: (0.01, 0.28, 0.83), 0.8: (0.02, 0.53, 0.96), 0.95: (0.05, 0.61, 0.97)},
    12: {0.2: (0.01, 0.21, 0.71), 0.8: (0.12, 0.62, 0.94), 0.95: (0.15, 0.71, 0.98)},
    20: {0.2: (0.02, 0.25, 0.65), 0.8: (0.26, 0.72, 0.96), 0.95: (0.34, 0.79, 0.98)},
    40: {0.2: (0.02, 0.18, 0.48), 0.8: (0.41, 0.73, 0.93), 0.95: (0.62, 0.88, 0.99)},
}
"""Mean posterior 2.5, 50 and 97.5 % of R2_trial by number of trials and true R2. Source: a design calculation of our
own before the model was written (40 replicates, another sampler); not published."""

SOURCE_ABOVE_HALF = {2: 0.00, 3: 0.00, 5: 0.00, 8: 0.00, 12: 0.00, 20: 0.23, 40: 0.82}
"""Share of fits whose lower limit is above .5, true R2 .95; the same source."""

SOURCE_NAIVE = {2: (1.00, 1.00), 3: (0.56, 0.65), 5: (0.29, 0.67), 8: (0.28, 0.66), 12: (0.19, 0.66), 20: (0.21, 0.64),
                40: (0.15, 0.68)}  # fmt: skip
"""Mean squared correlation of the raw estimates at true R2 .2 and .95; the same source."""

LIMIT = 3.0
"""Combined Monte-Carlo errors within which a cell agrees."""


def comparison(records: pd.DataFrame) -> pd.DataFrame:
    """Every cell of the source beside ours.

    Returns
    -------
    DataFrame
        trials, true_r2, quantity, source, ours, replicates, error (combined Monte-Carlo error: ours, the source's from
        the spread of our replicates over `SOURCE_REPLICATES`, and the source's rounding), errors_apart, agrees.
    """
    rows = []
    for (trials, r2), cell in records.groupby(["trials", "true_r2"]):
        printed = dict(zip(("q25", "q500", "q975"), SOURCE[trials][r2], strict=True))
        values = {name: cell[name].to_numpy(float) for name in printed}
        if r2 == 0.95:
            printed["lower_above_half"] = SOURCE_ABOVE_HALF[trials]
            values["lower_above_half"] = (cell["q25"] > 0.5).to_numpy(float)
        if r2 != 0.8:
            printed["naive_r2"] = SOURCE_NAIVE[trials][int(r2 == 0.95)]
            values["naive_r2"] = cell["naive_r2"].to_numpy(float)
        for name, source in printed.items():
            own, spread = values[name].mean(), values[name].std(ddof=1)
            if name == "lower_above_half":  # a share of 0 or 1 has no spread of its own: add one to either side
                share = (values[name].sum() + 1) / (len(cell) + 2)
                spread = np.sqrt(share * (1 - share))
            error = np.sqrt(spread**2 * (1 / len(cell) + 1 / SOURCE_REPLICATES) + ROUNDING**2)
            rows.append((trials, r2, name, source, own, len(cell), error, (own - source) / error))
    columns = ["trials", "true_r2", "quantity", "source", "ours", "replicates", "error", "errors_apart"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(agrees=table["errors_apart"].abs() <= LIMIT)
