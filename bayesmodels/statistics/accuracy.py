"""Accuracy of predicted risks of an event: time-dependent AUC and Brier score, weighted for censoring.

At a landmark s everyone still at risk has a predicted risk of the event of interest in (s, s + t]. A *case* has that
event in the window. A *control* is everyone else at risk at s: free of any event at s + t, or with a competing event in
the window. This is the second of the two definitions of controls in Blanche, Dartigues and Jacqmin-Gadda (2013,
Statistics in Medicine 32:5381-5397), and the one of Blanche et al. (2015), Quantifying and comparing dynamic predictive
accuracy of joint models, Biometrics 71:102-113, doi:10.1111/biom.12232, whose estimators these are: persons censored in
the window have weight 0, the others one over the probability of not being censored before their status was known, from
the Kaplan-Meier curve of censoring among those at risk at s. It assumes censoring independent of event, risk and
covariates.

Persons whose follow-up ends, without an event, exactly at s + t are known to be free of it there and count as controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.errors import BadInput, in_full
from bayesmodels.statistics.comparison import as_html
from bayesmodels.statistics.followup import CENSORED, Array, Mask, check_level, follow_up, labels_of, text_labels
from bayesmodels.statistics.nonparametric import aalen_johansen
from bayesmodels.statistics.ranks.wins import weighted_wins


class NoFollowUp(BadInput):
    """Nobody at risk at a landmark, or nobody followed to the horizon.

    Parameters
    ----------
    problems : iterable of str
        One line each.
    """


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of one landmark and horizon.

    Parameters
    ----------
    auc, brier : array (draw,)
        One entry for a single prediction. AUC is NaN without a case or without a control.
    brier_reference : float
        Brier score of giving everyone the Aalen-Johansen risk.
    counts : dict of str to int
        Persons at risk at the landmark, cases, controls, censored in the window.
    of : str
        The event of interest.
    landmark, horizon : float
        s and s + t.
    level : float
        Of the equal-tailed interval over draws.
    """

    auc: Array
    brier: Array
    brier_reference: float
    counts: dict[str, int]
    of: str
    landmark: float
    horizon: float
    level: float

    @property
    def table(self) -> pd.DataFrame:
        """`quantity`, `median`, `lower`, `upper` over draws; the limits are NaN for a single prediction.

        The interval is of the predictions' uncertainty, for these persons; it holds no sampling error of the persons.
        `scaled_brier` is NaN where the reference is 0.
        """
        reference = self.brier_reference if self.brier_reference > 0 else np.nan  # nobody, or everybody
        skill = 1 - self.brier / reference
        rows = []
        for name, draws in (("auc", self.auc), ("brier", self.brier), ("brier_reference", self.brier_reference),
                            ("scaled_brier", skill)):  # fmt: skip
            values = np.atleast_1d(draws)
            tail = (1 - self.level) / 2
            edges = np.quantile(values, [tail, 1 - tail]) if len(values) > 1 else (np.nan, np.nan)
            rows.append((name, np.median(values), *edges))
        return pd.DataFrame(rows, columns=["quantity", "median", "lower", "upper"])

    def sentence(self) -> str:
        """AUC and Brier score in words."""
        auc, brier = self.table["median"][:2]
        n = self.counts
        return (
            f"{self.of} between {self.landmark:g} and {self.horizon:g}: AUC {auc:.3f} (0.5 is chance), Brier score "
            f"{brier:.4f} (lower is better; {self.brier_reference:.4f} without predictors); {n['at risk']} at risk, "
            f"{n['cases']} cases, {n['controls']} controls (competing events among them), {n['censored']} censored."
        )

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>{as_html(self.table)}"


@dataclass(frozen=True)
class Window:
    """Cases and controls among the persons at risk at a landmark, with their censoring weights.

    Parameters
    ----------
    at_risk : array (person,) of bool
        Over everybody; the other fields are of those at risk only.
    case, control : array (at risk,) of bool
    weight : array (at risk,)
        0 for persons censored in the window.
    """

    at_risk: Mask
    case: Mask
    control: Mask
    weight: Array


def prediction_accuracy(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    of: str | tuple[str, ...],
    risk: npt.ArrayLike,
    landmark: float,
    horizon: float,
    entry: npt.ArrayLike | None = None,
    *,
    censored: tuple[str, ...] = CENSORED,
    level: float = 0.95,
) -> Accuracy:
    """Time-dependent AUC and Brier score of predicted risks.

    Parameters
    ----------
    time : array (person,)
        Exit, any unit.
    event : array (person,) of str
        What happened then.
    of : str or tuple of str
        Event of interest; several are a composite. Other labels compete.
    risk : array (person,) or (draw, person)
        Predicted probability of `of` in (landmark, horizon] for a person at risk at the landmark, made from what was
        known then. Not read for others, who may have NaN.
    landmark, horizon : float
        s and s + t, unit of `time`.
    entry : array (person,), optional
        Delayed entry: at risk at s if entered by s.
    censored : tuple of str
        Labels of exits without an event.
    level : float
        Of the interval over draws.

    Returns
    -------
    Accuracy
        AUC and Brier score, one value per draw of the risks.

    Raises
    ------
    BadInput
        A window without length, risks or a level outside 0 to 1.
    NoFollowUp
        Nobody at risk, or a horizon that nobody's follow-up reaches.
    """
    check_level(level)
    window = weighted_window(time, event, of, landmark, horizon, entry, censored=censored)
    risks = checked_risk(risk, window.at_risk)
    t, labels = np.asarray(time, float)[window.at_risk], text_labels(event)[window.at_risk]
    base = float(aalen_johansen(t, labels, of, censored=censored).at(horizon)["estimate"].iloc[0])
    case, control, weight = window.case, window.control, window.weight
    return Accuracy(
        np.array([_auc(r[case], weight[case], r[control], weight[control]) for r in risks]),
        (weight * (case - risks) ** 2).mean(axis=1),
        float((weight * (case - base) ** 2).mean()),
        {
            "at risk": len(case),
            "cases": int(case.sum()),
            "controls": int(control.sum()),
            "censored": int((~case & ~control).sum()),
        },
        of if isinstance(of, str) else " or ".join(of),
        float(landmark),
        float(horizon),
        level,
    )


def weighted_window(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    of: str | tuple[str, ...],
    landmark: float,
    horizon: float,
    entry: npt.ArrayLike | None = None,
    *,
    censored: tuple[str, ...] = CENSORED,
) -> Window:
    """Cases, controls and censoring weights of a window; parameters as `prediction_accuracy`.

    Parameters
    ----------
    time, event, of, landmark, horizon, entry, censored
        As `prediction_accuracy`.

    Raises
    ------
    BadInput, NoFollowUp
        As `prediction_accuracy`.
    """
    anything, wanted = labels_of(event, of, censored)
    who = follow_up(time, entry, anything)
    if not horizon > landmark:
        raise BadInput(f"horizon: expected a time after the landmark {landmark:g}, got {horizon:g}")
    at_risk = (who.time > landmark) & (who.entry <= landmark)
    if not at_risk.any():
        raise NoFollowUp(f"landmark: expected persons at risk at {landmark:g}, found none; take an earlier one")
    t, anything, wanted = who.time[at_risk], anything[at_risk], wanted[at_risk]
    happened = anything & (t <= horizon)
    case, free = happened & wanted, (t > horizon) | ((t == horizon) & ~anything)
    known = happened | free
    if not free.any() and not happened[t == t.max()].all():  # all: nobody is left whose fate is unknown
        raise NoFollowUp(
            f"horizon: expected follow-up of somebody to {in_full(horizon)}, the last exit is at {in_full(t.max())}"
        )
    uncensored = _uncensored_before(np.minimum(t, horizon), t, anything)
    weight = np.divide(1.0, uncensored, out=np.zeros_like(t), where=known)
    return Window(at_risk, case, known & ~case, weight)


def checked_risk(risk: npt.ArrayLike, at_risk: Mask) -> Array:
    """Risks of those at risk, (draw, at risk).

    Parameters
    ----------
    risk : array (person,) or (draw, person)
        Probabilities.
    at_risk : array (person,) of bool
        At risk at the landmark.

    Raises
    ------
    BadInput
        Another shape, or values outside 0 to 1.
    """
    risks = np.atleast_2d(np.asarray(risk, float))
    if risks.ndim != 2 or risks.shape[1] != len(at_risk):
        raise BadInput(f"risk: expected (person,) or (draw, person) with {len(at_risk)} persons, got {risks.shape}")
    risks = risks[:, at_risk]
    if not ((risks >= 0) & (risks <= 1)).all():
        raise BadInput("risk: expected probabilities from 0 to 1 for everybody at risk at the landmark")
    return risks


def _uncensored_before(times: Array, t: Array, anything: Mask) -> Array:
    """Kaplan-Meier probability of not being censored before each time; at a tie events leave the risk set first."""
    when = np.unique(t[~anything])
    leaving = np.bincount(np.searchsorted(when, t[~anything]), minlength=len(when))
    staying = (t[None] > when[:, None]).sum(axis=1) + leaving  # at risk once events at that time are out
    curve = np.concatenate([[1.0], np.cumprod(1 - leaving / staying)])
    return curve[np.searchsorted(when, times, side="left")]


def _auc(cases: Array, case_weight: Array, controls: Array, control_weight: Array) -> float:
    """Weighted share of pairs in which the case has the higher risk, ties half; NaN without a pair."""
    if not len(cases) or not len(controls):
        return float("nan")
    pairs = case_weight.sum() * control_weight.sum()
    return weighted_wins(cases, case_weight, controls, control_weight) / pairs
