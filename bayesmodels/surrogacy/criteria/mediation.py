"""Natural direct and indirect effects with the surrogate as mediator, over time, and what confounding would do to them.

With dT/dt = b0 + bZ Z + g m(t - lag), the indirect effect is NIE(t) = g times the integral from 0 to t of m_1(s - lag)
- m_0(s - lag), and the direct effect NDE(t) the rest of the total. On a course that flattens the integral runs over
the outcome's own clock (the basis of its rate). Where the model has no link of its own, g is the slope, within arms
and given both levels at randomisation, of the outcome's change on that integral: it is causal only if no unmeasured
cause moves both, which randomisation does not give. Mediation is evidence for a mechanism, not for substitution in
other drugs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayesmodels.posterior.context import Contrast
from bayesmodels.posterior.intervals import named_limits, probability
from bayesmodels.surrogacy.criteria.arms import Arms
from bayesmodels.surrogacy.criteria.courses import Courses, in_months
from bayesmodels.surrogacy.criteria.proportion_explained import guarded_share

ASSUMPTION = (
    "no unmeasured cause of both the surrogate's change and the outcome's course within an arm, also none that the "
    "drug brings about; linear; the same link in both arms"
)


def confounded_gain(arms: Arms, rho: float) -> np.ndarray:
    """Slope of the outcome on the mediator if unmeasured causes correlate their errors by `rho`, (draw,).

    (s_T / s_S) (r - rho sqrt((1 - r^2) / (1 - rho^2))) with r the correlation within arms; gamma at rho = 0, zero at
    rho = r (Imai, Keele and Yamamoto 2010, theorem 4).
    """
    sigma, r = arms.pooled, arms.adjusted_association
    return np.sqrt(sigma[:, 1, 1] / sigma[:, 0, 0]) * (r - rho * np.sqrt((1 - r**2) / (1 - rho**2)))


def sensitivity_table(
    arms: Arms, confounding: tuple[float, ...], level: float, guard: float = 0.975, design: str = ""
) -> pd.DataFrame:
    """Indirect effect and share mediated for each correlation of errors.

    Columns: `error_correlation`, `indirect_median`, `indirect_lower`, `indirect_upper` (outcome unit),
    `indirect_favours` (the drug), `share_median`, `share_lower`, `share_upper` (NIE / TE; NaN where the total effect is
    not separated from zero, or the design or the fit cannot say).
    """
    rows = []
    for rho in confounding:
        indirect = confounded_gain(arms, rho) * arms.alpha
        share = guarded_share(indirect, arms.beta, float(arms.good[1]), level, guard, design)
        rows.append(
            {
                "error_correlation": rho,
                **named_limits("indirect", indirect, level),
                "indirect_favours": probability(arms.good[1] * indirect > 0),
                "share_median": share.median,
                "share_lower": share.lower,
                "share_upper": share.upper,
            }
        )
    return pd.DataFrame(rows)


def exposure_arms(
    courses: Courses, surrogate: str, outcome: str, week: float, contrast: Contrast, lag: float = 0.0
) -> Arms:
    """Arms whose surrogate is its change summed over the outcome's clock until a week, given both levels at week 0.

    Parameters
    ----------
    courses : Courses
    surrogate, outcome : str
    week : float
        A visit; the outcome is its change from week 0 to it.
    contrast : Contrast
    lag : float
        Months.

    Returns
    -------
    Arms
        Surrogate in its unit times months, so that gamma is the gain: outcome unit per month per surrogate unit. True
        values. Covariances are those given both levels, pooled over arms.
    """
    places = [courses.groups.index(contrast.late), courses.groups.index(contrast.early)]
    area, mean_area = (v[:, places] for v in _exposure(courses, surrogate, outcome, week, lag))
    change = courses.change(outcome, week)[:, places]
    parts = [area, change, courses.level(surrogate)[:, places], courses.level(outcome)[:, places]]
    full = np.stack([np.stack([courses.between(p, q) for q in parts], -1) for p in parts], -2)
    share = np.array([courses.share[contrast.late], courses.share[contrast.early]])
    share = share / share.sum()
    pooled = np.einsum("a,daij->dij", share, full)
    levels = np.linalg.pinv(pooled[:, 2:, 2:], hermitian=True)
    adjusted = pooled[:, :2, :2] - pooled[:, :2, 2:] @ levels @ pooled[:, 2:, :2]
    mean = np.stack([mean_area, courses.mean_change(outcome, week)[:, places]], axis=-1)
    good = np.array([courses.good[surrogate], courses.good[outcome]])
    return Arms(mean, np.stack([adjusted, adjusted], axis=1), share, good, None, "latent")


def mediation_curve(
    courses: Courses,
    surrogate: str,
    outcome: str,
    contrast: Contrast,
    gain: np.ndarray | None,
    lag: float,
    weeks: np.ndarray,
    level: float,
    guard: float = 0.975,
    design: str = "",
) -> pd.DataFrame:
    """Total, indirect and direct effect, and the share mediated, by week.

    Parameters
    ----------
    gain : (draw,) or None
        Slope of the outcome's rate on the surrogate; None where the model makes the whole effect follow the surrogate.
    weeks : (week,)
        Visits after week 0.
    design : str
        Why the share is withheld at every week; blank where it need not be.

    Returns
    -------
    DataFrame
        `week`; `total_*`, `indirect_*`, `direct_*` (median, lower, upper; outcome unit), `share_*`, `withheld`.
    """
    late, early = courses.groups.index(contrast.late), courses.groups.index(contrast.early)
    rows = []
    for week in weeks:
        change = courses.mean_change(outcome, week)
        total = change[:, early] - change[:, late]
        if gain is None:
            indirect = total
        else:
            _, area = _exposure(courses, surrogate, outcome, week, lag)
            indirect = gain * (area[:, early] - area[:, late])
        share = guarded_share(indirect, total, courses.good[outcome], level, guard, design)
        rows.append(
            {
                "week": float(week),
                **named_limits("total", total, level),
                **named_limits("indirect", indirect, level),
                **named_limits("direct", total - indirect, level),
                "share_median": share.median,
                "share_lower": share.lower,
                "share_upper": share.upper,
                "withheld": share.withheld,
            }
        )
    return pd.DataFrame(rows)


def integral(values: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """Integral of values over a clock along the last axis, trapezoids."""
    return ((values[..., 1:] + values[..., :-1]) / 2 * np.diff(clock, axis=-1)).sum(axis=-1)


def lagged(values: np.ndarray, months: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values (..., time) known at `months`, at other months: straight lines between, the first value before."""
    place = np.clip(np.searchsorted(months, at, side="right") - 1, 0, len(months) - 2)
    weight = np.clip((at - months[place]) / (months[place + 1] - months[place]), 0.0, 1.0)
    return values[..., place] * (1 - weight) + values[..., place + 1] * weight


def _exposure(courses: Courses, surrogate: str, outcome: str, week: float, lag: float) -> tuple[np.ndarray, np.ndarray]:
    """Integral of the surrogate's change: weights of the terms (draw, group, term), and mean (draw, group)."""
    months = in_months(courses.weeks)
    end = in_months(np.array([week]))[0]
    at = np.unique(np.concatenate([months, months + lag, [end]]))
    at = at[at <= end]
    k, label = courses.outcomes.index(surrogate), f"{outcome}:rate"
    if outcome in courses.untreated:
        clock = lagged(courses.untreated[outcome], months, at)[:, None]
    elif label in courses.terms:
        own = courses.basis[:, courses.outcomes.index(outcome), courses.terms.index(label), 0]
        clock = lagged(own, months, at)[:, None]
    else:
        clock = at
    mean = courses.mean[:, k] - courses.mean[:, k][..., :1]
    basis = courses.basis[:, k] - courses.basis[:, k][..., :1]
    area = integral(lagged(basis, months, at - lag), clock[:, None] if clock.ndim == 3 else clock)
    return np.moveaxis(area, 1, 2), integral(lagged(mean, months, at - lag), clock)
