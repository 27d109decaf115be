"""Calibration of a predicted risk: predicted beside observed risk, in groups of persons with similar predictions."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.statistics.accuracy import checked_risk, weighted_window
from bayesmodels.statistics.comparison import as_html
from bayesmodels.statistics.followup import CENSORED, Array, Mask, text_labels
from bayesmodels.statistics.nonparametric import aalen_johansen


@dataclass(frozen=True)
class Calibration:
    """Predicted and observed risk by group.

    Parameters
    ----------
    table : DataFrame
        One row per group, the lowest risks first: `risk_group` (1 first), `persons`, `events`, `predicted` (mean over
        persons; the median over draws), `predicted_lower`, `predicted_upper` (equal-tailed over draws, NaN for a single
        prediction), `observed` (Aalen-Johansen), `observed_lower`, `observed_upper` (confidence interval). Observed
        risks are NaN where a group's follow-up does not reach the horizon, their limits also where the risk is 0 or 1.
    predicted : array (draw, group)
        Mean predicted risk over the persons of each group; one draw for a single prediction.
    observed : float
        Aalen-Johansen risk over everyone at risk at the landmark.
    of : str
    landmark, horizon, level : float
    """

    table: pd.DataFrame
    predicted: Array
    observed: float
    of: str
    landmark: float
    horizon: float
    level: float

    def sentence(self) -> str:
        """Overall predicted and observed numbers."""
        n = self.table["persons"]
        predicted = float((self.table["predicted"] * n).sum() / n.sum())
        return (
            f"{self.of} between {self.landmark:g} and {self.horizon:g}: mean predicted risk {predicted:.3f}, observed "
            f"{self.observed:.3f}, over {len(self.table)} groups of {int(n.sum())} persons."
        )

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>{as_html(self.table)}"


def calibration(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    of: str | tuple[str, ...],
    risk: npt.ArrayLike,
    landmark: float,
    horizon: float,
    entry: npt.ArrayLike | None = None,
    *,
    groups: int = 4,
    censored: tuple[str, ...] = CENSORED,
    level: float = 0.95,
) -> Calibration:
    """Predicted and observed risk of the event of interest in (landmark, horizon], by groups of predicted risk.

    Groups are quantile groups of each person's mean risk over draws; persons of the same risk stay together, so there
    may be fewer groups than asked for.

    Parameters
    ----------
    time, event, of, risk, landmark, horizon, entry, censored, level
        As `accuracy.prediction_accuracy`.
    groups : int
        At most so many.

    Raises
    ------
    BadInput, NoFollowUp
        As `accuracy.prediction_accuracy`, or fewer than one group.
    """
    if groups < 1:
        raise BadInput(f"groups: expected 1 or more, got {groups}")
    window = weighted_window(time, event, of, landmark, horizon, entry, censored=censored)
    risks = checked_risk(risk, window.at_risk)
    t, labels = np.asarray(time, float)[window.at_risk], text_labels(event)[window.at_risk]
    mean = pd.Series(risks.mean(axis=0))
    member = pd.qcut(mean, groups, labels=False, duplicates="drop").fillna(0).astype(int) if mean.nunique() > 1 else 0
    numbers = np.broadcast_to(np.asarray(member), t.shape)
    tail = (1 - level) / 2

    def seen_in(who: Mask) -> pd.Series:
        return aalen_johansen(t[who], labels[who], of, censored=censored, level=level).at(horizon).iloc[0]

    rows, predicted = [], []
    for k, label in enumerate(np.unique(numbers)):
        here = numbers == label
        seen, draws = seen_in(here), risks[:, here].mean(axis=1)
        predicted.append(draws)
        edges = np.quantile(draws, [tail, 1 - tail]) if len(draws) > 1 else (np.nan, np.nan)
        found = (seen["estimate"], seen["lower"], seen["upper"])
        rows.append((k + 1, int(here.sum()), int(window.case[here].sum()), float(np.median(draws)), *edges, *found))
    columns = ["risk_group", "persons", "events", "predicted", "predicted_lower", "predicted_upper", "observed",
               "observed_lower", "observed_upper"]  # fmt: skip
    named = of if isinstance(of, str) else " or ".join(of)
    everyone = float(seen_in(np.ones(len(t), bool))["estimate"])
    return Calibration(
        pd.DataFrame(rows, columns=columns), np.stack(predicted, axis=1), everyone, named, float(landmark),
        float(horizon), level,
    )  # fmt: skip
