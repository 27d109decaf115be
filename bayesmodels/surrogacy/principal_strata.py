"""Principal-stratum regression (Conlon, Taylor and Elliott 2014): E(T1 - T0 | S1 - S0 = s) = g0 + g1 s.

A surrogate that carries the whole effect has g0 = 0 (no effect on the outcome in those whose surrogate the drug does
not move: average causal necessity) and g1 in the good direction (average causal sufficiency). Like the causal
association it rests on cross-world correlations that no data show; the assumptions are the same.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayesmodels.posterior.intervals import probability
from bayesmodels.surrogacy.arms import OUTCOME, SURROGATE, Arms
from bayesmodels.surrogacy.causal_association import CausalAssociation


def principal_strata(association: CausalAssociation, arms: Arms, level: float = 0.95) -> pd.DataFrame:
    """Intercept and slope under each assumption.

    Columns: `assumption`, `g0_median`, `g0_lower`, `g0_upper` (outcome unit: effect in those whose surrogate is not
    moved), `g0_favours` (probability that it favours the drug), `g1_median`, `g1_lower`, `g1_upper` (outcome unit per
    surrogate unit), `g1_right_sign`.
    """
    tail = (1 - level) / 2
    toward = arms.good[SURROGATE] * arms.good[OUTCOME]
    rows = []
    for name, lines in association.strata.items():
        known = lines[np.isfinite(lines).all(axis=1)]
        row: dict[str, object] = {"assumption": name}
        for j, term in enumerate(("g0", "g1")):
            limits = np.quantile(known[:, j], [0.5, tail, 1 - tail]) if len(known) else [np.nan] * 3
            row |= {f"{term}_{edge}": float(v) for edge, v in zip(("median", "lower", "upper"), limits, strict=True)}
        row["g0_favours"] = probability(arms.good[OUTCOME] * known[:, 0] > 0) if len(known) else np.nan
        row["g1_right_sign"] = probability(toward * known[:, 1] > 0) if len(known) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)
