"""Rubin's rules: the same analysis of M imputed tables, combined.

Sources: Rubin (1987), Multiple Imputation for Nonresponse in Surveys; degrees of freedom of Barnard and Rubin (1999),
Small-sample degrees of freedom with multiple imputation, Biometrika 86:948-955.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.statistics.comparison import Comparison, row
from bayesmodels.statistics.least_squares import FREEDOM, student_limits

LOG_SCALE = ("win ratio", "win odds")
"""Quantities whose logarithms are pooled."""


def pool(results: Sequence[Comparison]) -> Comparison:
    """Combine the headline of the same analysis of M imputed tables by Rubin's rules.

    Total variance: mean variance within + (1 + 1/M) variance between. Complete-data degrees of freedom are those among
    each result's counts, infinite where it has none. Win ratio and win odds are pooled as logarithms. Notes are those
    that all results share.

    Parameters
    ----------
    results : sequence of Comparison
        One per imputed table.

    Returns
    -------
    Comparison
        With the fraction of missing information among its counts.

    Raises
    ------
    BadInput
        Fewer than two results, results of several analyses, or one without an estimate.
    """
    if len(results) < 2:
        raise BadInput(f"expected the results of two imputed tables or more, got {len(results)}")
    kinds = {(r.method, r.group, r.reference, str(r.table.at[0, "quantity"]), r.level) for r in results}
    if len(kinds) > 1:
        raise BadInput(f"expected results of one analysis of one comparison, got {len(kinds)} kinds")
    first = results[0]
    head = first.table.iloc[0]
    values, ses = (np.array([r.table.at[0, name] for r in results], float) for name in ("estimate", "se"))
    on_log = head["quantity"] in LOG_SCALE
    if on_log:
        with np.errstate(divide="ignore", invalid="ignore"):
            values, ses = np.log(values), ses / values
    if not (np.isfinite(values) & np.isfinite(ses)).all():
        raise BadInput("expected an estimate with its SE from every imputed table; one has none")
    complete = float(np.mean([r.counts.get(FREEDOM, np.inf) for r in results]))
    estimate, se, df, missing = rubin(values, ses**2, complete)
    (low, high), p = student_limits(estimate, se, df, first.level)
    if on_log:
        estimate, low, high = (float(np.exp(v)) for v in (estimate, low, high))
        se = se * estimate
    counts = {"imputed tables": float(len(results)), FREEDOM: df, "fraction of missing information": missing}
    return Comparison(
        f"{first.method}, {len(results)} imputed tables pooled by Rubin's rules",
        first.group,
        first.reference,
        pd.DataFrame([row(head["quantity"], estimate, se, (low, high), p, head["favours"], head["unit"])]),
        first.level,
        counts | {name: n for name, n in first.counts.items() if name.startswith("persons,")},
        tuple(note for note in first.notes if all(note in r.notes for r in results)),
    )


def rubin(estimates: npt.ArrayLike, variances: npt.ArrayLike, complete_df: float) -> tuple[float, float, float, float]:
    """Pooled estimate, SE, Barnard and Rubin's degrees of freedom, and the fraction of missing information.

    Parameters
    ----------
    estimates, variances : array (imputation,)
    complete_df : float
        Degrees of freedom if nothing were missing; may be infinite.

    Notes
    -----
    The fraction is that of Rubin (1987), (1 + 1/M) between over total variance, without a correction for finite M.
    """
    q, u = np.asarray(estimates, float), np.asarray(variances, float)
    m = len(q)
    extra = (1 + 1 / m) * float(q.var(ddof=1))
    total = float(u.mean()) + extra
    share = extra / total if total > 0 else 0.0
    many = (m - 1) / share**2 if share > 0 else np.inf
    seen = complete_df if np.isinf(complete_df) else (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
    df = 0.0 if seen <= 0 else many if np.isinf(seen) else float(1 / (1 / many + 1 / seen))
    return float(q.mean()), float(np.sqrt(total)), df, share
