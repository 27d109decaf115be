"""After the switch: parallel or catching up, and the time an early start saved."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from bayesmodels.posterior.estimand import estimand, withheld
from bayesmodels.posterior.intervals import flat, probability, summarise
from bayesmodels.reporting.chapter import Reading
from bayesmodels.reporting.chapters.start_groups.differences import DifferenceCell, delta_weeks, difference_cells
from bayesmodels.vocabulary import MONTH_IN_WEEKS

SETTLED = 0.95
"""Posterior probability from which a pattern is called."""

WEEKS_AFTER_SWITCH = 12.0
"""At least this long after the switch before slopes are compared."""


def parallel_table(reading: Reading) -> pd.DataFrame:
    """Whether the curves run parallel once the later start's effect is established, one row per difference.

    The gap in favour of the earlier start is compared between `from_week` (declared, or the switch + lag + 3 time
    constants at posterior medians and at least 12 weeks) and `to_week` (the last well observed week, or Delta_2's if
    that comes first). Columns: `rate_*` (change of the raw difference, unit per month), `margin`,
    `probability_parallel` (inside the margin), `probability_catching_up` (gap closes faster), `probability_widening`,
    their priors, and `verdict`: "parallel", "catching up", "widening" (probability 0.95 or more), "not settled",
    "implied by the model" (start groups share one effect), "no margin declared", or why there is none.
    """
    rows = []
    for cell in difference_cells(reading):
        if not math.isfinite(cell.contrast.switch_week) or math.isnan(cell.sign):
            continue
        start = reading.context.drug_start_week.get(cell.contrast.late, cell.contrast.switch_week)
        points = delta_weeks(cell, reading)
        last = np.fmin(points["well_observed"], points["delta_2"])
        established = reading.settings.parallel_from_week.get(cell.outcome.name, _established(reading, cell, start))
        later = cell.weeks[cell.weeks >= established]
        rows.append(_parallel_row(cell, later.min(initial=math.inf), float(last), reading))
    return pd.DataFrame(rows)


def time_saved_table(reading: Reading) -> pd.DataFrame:
    """Weeks an early start saved, at Delta_1's, the last well observed and Delta_2's week.

    At week w, per draw: w minus the first time the later group's curve reaches the earlier group's value at w, between
    curve weeks by a straight line. Draws in which it is not reached count as -inf in the quantiles (so a bound may be
    "not reached") and their share is `not_reached`. On a course that gets worse, positive weeks are weeks saved; on one
    that the drug improves, negative weeks say how much later the later group gets there (`course`). With a free
    baseline the curves are of changes since randomisation.
    """
    name = "curve" if reading.publishes("curve") and not reading.context.free_baseline else "curve_change"
    if not reading.publishes(name):
        return pd.DataFrame()
    curves = reading.posterior(name)
    rows = []
    for cell in difference_cells(reading):
        early, late = (
            flat(curves.sel(outcome=cell.outcome.name, start_group=group, stratum=cell.stratum).transpose("week", ...))
            for group in (cell.contrast.early, cell.contrast.late)
        )
        points = delta_weeks(cell, reading)
        for week in sorted({week for week in points.values() if week > 0}):
            at = int(np.flatnonzero(cell.weeks == week)[0])
            saved = week - first_reached(late, early[at], cell.weeks)
            tail = (1 - reading.prob) / 2
            lower, median, upper = np.quantile(saved, [tail, 0.5, 1 - tail], method="inverted_cdf")
            worse = np.median(early[at] - early[0]) * cell.outcome.sign < 0
            rows.append(
                {
                    **cell.labels,
                    "week": week,
                    "unit": "weeks",
                    "median": float(median),
                    "lower": float(lower),
                    "upper": float(upper),
                    "not_reached": probability(np.isneginf(saved)),
                    "course": "worsening" if worse else "improving",
                    "withheld": withheld(reading.observed, cell.outcome.name, cell.contrast, cell.stratum, week),
                    "estimand": estimand(reading.context, cell.contrast, week),
                }
            )
    return pd.DataFrame(rows)


def first_reached(curve: np.ndarray, target: np.ndarray, weeks: np.ndarray) -> np.ndarray:
    """First week at which each curve meets its target, by straight lines between weeks; inf where it never does.

    Parameters
    ----------
    curve : ndarray (week, sample)
    target : ndarray (sample,)
    weeks : ndarray (week,)

    Returns
    -------
    ndarray (sample,)
    """
    gap = curve - target
    crossed = np.sign(gap[1:]) != np.sign(gap[:1])
    step = np.argmax(crossed, axis=0)
    sample = np.arange(curve.shape[1])
    before, after = gap[step, sample], gap[step + 1, sample]
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = weeks[step] + (weeks[step + 1] - weeks[step]) * before / (before - after)
    reached = np.where(crossed.any(axis=0), inside, np.inf)
    return np.where(gap[0] == 0, weeks[0], reached)


def own_effects(reading: Reading, outcome: str, contrast_groups: tuple[str, str]) -> bool:
    """Whether each start group has its own drug effect: its draws differ between the two groups."""
    if not reading.publishes("group_drug_effect"):
        return False
    effects = reading.posterior("group_drug_effect").sel(outcome=outcome)
    if not set(contrast_groups) <= set(effects["start_group"].values.tolist()):
        return False
    first, second = (flat(effects.sel(start_group=group)) for group in contrast_groups)
    defined = ~(np.isnan(first) | np.isnan(second))
    return bool(np.any(first[defined] != second[defined]))


def _established(reading: Reading, cell: DifferenceCell, start: float) -> float:
    """Week from which the later start's effect is taken as established."""
    delay = sum(
        times * _median(reading, name, cell.outcome.name)
        for name, times in (("effect_lag", 1.0), ("effect_time_constant", 3.0))
    )
    return start + max(WEEKS_AFTER_SWITCH, delay * MONTH_IN_WEEKS)


def _median(reading: Reading, name: str, outcome: str) -> float:
    """Posterior median in months; zero where the effect has no such parameter."""
    if not reading.publishes(name):
        return 0.0
    draws = flat(reading.posterior(name).sel(outcome=outcome))
    return 0.0 if np.isnan(draws).all() else float(np.median(draws))


def _parallel_row(cell: DifferenceCell, first: float, last: float, reading: Reading) -> dict[str, object]:
    margin = reading.settings.margins.get(cell.outcome.name, math.nan)
    row: dict[str, object] = {
        **cell.labels,
        "from_week": first if math.isfinite(first) else math.nan,
        "to_week": last,
        "unit": f"{cell.outcome.unit} per month",
        "margin": margin,
    }
    if not first < last:
        row["verdict"] = "too few well observed weeks after the effect is established"
        return row
    elapsed = (last - first) / MONTH_IN_WEEKS
    rate = (cell.at(last) - cell.at(first)) / elapsed
    row |= {f"rate_{name}": float(value) for name, value in summarise(rate, reading.prob).items()}
    patterns = _patterns(cell.sign * rate, margin)
    row |= {f"probability_{name}": value for name, value in patterns.items()}
    if cell.prior.size:
        prior_rate = cell.sign * (cell.at(last, prior=True) - cell.at(first, prior=True)) / elapsed
        row |= {f"prior_probability_{name}": value for name, value in _patterns(prior_rate, margin).items()}
    row["estimand"] = estimand(reading.context, cell.contrast, last)
    row["verdict"] = _verdict(patterns, own_effects(reading, cell.outcome.name, cell.contrast.groups))
    return row


def _patterns(gap_rate: np.ndarray, margin: float) -> dict[str, float]:
    """Probabilities of the three patterns of the gap in favour of the earlier start."""
    if math.isnan(margin):
        return dict.fromkeys(("parallel", "catching_up", "widening"), math.nan)
    return {
        "parallel": probability(np.abs(gap_rate) < margin),
        "catching_up": probability(gap_rate <= -margin),
        "widening": probability(gap_rate >= margin),
    }


def _verdict(patterns: dict[str, float], own: bool) -> str:
    if not own:
        return "implied by the model"
    if math.isnan(patterns["parallel"]):
        return "no margin declared"
    likeliest = max(patterns, key=patterns.__getitem__)
    return likeliest.replace("_", " ") if patterns[likeliest] >= SETTLED else "not settled"
