"""The responder trap: comparing persons whose surrogate fell with all controls finds a benefit that is not there.

Who "responds" is known only after randomisation. Persons whose disease is slower by itself have a surrogate that falls
more by itself, and a better course; choosing them chooses the better course. In the smallest model that has this, S is
a person's change of the log surrogate, T the slope of the outcome, and a random effect u, how fast the disease goes, is
shared:

    S = drift + effect z + a u + e,    T = mean - b u + v,    u, e, v independent normal,    a, b > 0,    z = 1 treated

S and T are bivariate normal within an arm with SDs s_S and s_T and correlation rho = -a b / (s_S s_T) < 0. The drug
does nothing to T: the effect on T is 0 for every person, whatever `effect` is. With responders those with
S <= c = ln(1 - x), and z_c = (c - drift - effect) / s_S,

    E(T | S <= c, treated) - E(T | control) = -rho s_T phi(z_c) / Phi(z_c)

(mean of the truncated normal distribution), which is above 0 although nobody was helped; the comparison as randomised
expects 0. The rarer responders are, the larger it is. With rho above 0 (persons with a fast disease whose surrogate
falls more) the same comparison finds a harm that is not there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayesmodels.errors import BadInput
from bayesmodels.html_tables import html_table

Array = npt.NDArray[np.float64]

SURROGATE_SD = 0.25
"""SD of persons' 24-week change of log NfL. Source: als_population_parameters, HEALEY C plasma (from its interval)."""

SLOPE_MEAN, SLOPE_SD = -1.012, 0.90
"""ALSFRS-R points a month, slopes as measured. Source: als_population_parameters, PRO-ACT limb onset, n = 3,227."""

CORRELATION = -0.3
"""Of the change of log NfL and the slope within an arm: an assumption. Published is that of NfL at baseline and the
slope, -.43 to -.53 (als_population_parameters), which is another one."""

RESPONDERS, RANDOMISED = "responders minus all controls", "as randomised"
MOST = 20_000_000
"""Persons simulated at most in one call."""


@dataclass(frozen=True)
class ResponderTrap:
    """Both comparisons in many simulated trials of a drug without any effect on the outcome. Simulated, not data.

    Parameters
    ----------
    reduction : float
        Fall of the surrogate from which a treated person counts as a responder, as a fraction.
    surrogate_effect, correlation, surrogate_sd, slope_mean, slope_sd, drift : float
        As of `responder_trap`.
    treated, controls, seed : int
    level : float
        Of the trials' confidence intervals, and of the ranges over trials.
    share : float
        Of treated persons who respond, expected.
    expected : float
        Expected difference of responders and all controls, in closed form; the true effect is 0.
    estimates : mapping of str to (trial,)
        Estimates of both comparisons; NaN in trials with fewer than two responders.
    limits : mapping of str to (trial, 2)
        Their confidence intervals.
    unit : str
    """

    reduction: float
    surrogate_effect: float
    correlation: float
    surrogate_sd: float
    slope_mean: float
    slope_sd: float
    drift: float
    treated: int
    controls: int
    seed: int
    level: float
    share: float
    expected: float
    estimates: dict[str, Array]
    limits: dict[str, Array]
    unit: str = "points a month"

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per comparison.

        Columns `comparison`, `true_effect` (0), `expected` (closed form), `mean`, `monte_carlo_se`, `lower`, `upper`
        (range of the estimates over the trials, equal tails), `favours_drug`, `favours_control` (shares of trials whose
        confidence interval leaves out 0), `trials` (with an estimate), `without` (fewer than two responders), `unit`.
        """
        rows = []
        tail = (1 - self.level) / 2
        for name, expected in ((RESPONDERS, self.expected), (RANDOMISED, 0.0)):
            made = self.estimates[name]
            there = np.isfinite(made)
            known, ends = made[there], self.limits[name][there]
            some = len(known) > 1
            lower, upper = np.quantile(known, [tail, 1 - tail]) if some else (math.nan, math.nan)
            rows.append(
                {
                    "comparison": name,
                    "true_effect": 0.0,
                    "expected": expected,
                    "mean": float(known.mean()) if some else math.nan,
                    "monte_carlo_se": float(known.std(ddof=1) / np.sqrt(len(known))) if some else math.nan,
                    "lower": float(lower),
                    "upper": float(upper),
                    "favours_drug": float(np.mean(ends[:, 0] > 0)) if some else math.nan,
                    "favours_control": float(np.mean(ends[:, 1] < 0)) if some else math.nan,
                    "trials": len(known),
                    "without": int((~there).sum()),
                    "unit": self.unit,
                }
            )
        return pd.DataFrame(rows)

    def sentence(self) -> str:
        """Both comparisons in words, and that this is simulated."""
        rows = self.table.set_index("comparison")

        def said(name: str) -> str:
            row = rows.loc[name]
            return (
                f"{row['mean']:+.2f} ({row['lower']:+.2f} to {row['upper']:+.2f}), in favour of the drug by its "
                f"{100 * self.level:g} % confidence interval in {100 * row['favours_drug']:.0f} % of trials"
            )

        return (
            f"Simulated, not data: {len(self.estimates[RANDOMISED]):,} trials of {self.treated} treated and "
            f"{self.controls} controls, a drug with no effect on the outcome. Treated persons whose surrogate fell by "
            f"{100 * self.reduction:g} % or more ({100 * self.share:.0f} % of them) against all controls: "
            f"{said(RESPONDERS)}. As randomised: {said(RANDOMISED)}. {self.unit[:1].upper()}{self.unit[1:]}, mean over "
            f"trials and range of {100 * self.level:g} % of them; + favours the drug; the true effect is 0."
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.sentence())}</p>" + html_table(self.table, "{:.3g}")


def responder_trap(
    reduction: float = 0.2,
    *,
    surrogate_effect: float = 0.0,
    correlation: float = CORRELATION,
    surrogate_sd: float = SURROGATE_SD,
    slope_mean: float = SLOPE_MEAN,
    slope_sd: float = SLOPE_SD,
    drift: float = 0.0,
    treated: int = 72,
    controls: int = 36,
    trials: int = 2000,
    seed: int = 1,
    level: float = 0.95,
) -> ResponderTrap:
    """Simulate trials of a drug with no effect on the outcome, and compare responders with all controls.

    Parameters
    ----------
    reduction : float
        Fall of the surrogate from which a treated person counts as a responder, a fraction between 0 and 1.
    surrogate_effect : float
        Effect of the drug on the log surrogate, the same in everyone; 0: none, below 0: it falls.
    correlation : float
        Of a person's change of the log surrogate and slope, within an arm.
    surrogate_sd : float
        SD of persons' changes of the log surrogate.
    slope_mean, slope_sd : float
        Of persons' slopes of the outcome, up is good; points a month.
    drift : float
        Mean change of the log surrogate without the drug.
    treated, controls : int
        Persons of a trial.
    trials : int
        Simulated trials.
    seed : int
        The same seed gives the same trials.
    level : float
        Of the confidence intervals (Welch) and of the ranges over trials.

    Returns
    -------
    ResponderTrap
        Simulated, not data.

    Raises
    ------
    BadInput
        Every argument out of its range.

    Examples
    --------
    >>> round(responder_trap(0.2, correlation=-0.3, trials=200).expected, 3)
    0.389
    """
    problems = [
        f"{name}: expected {wanted}, got {value!r}"
        for name, value, good, wanted in (
            ("reduction", reduction, 0 < reduction < 1, "a fraction between 0 and 1, such as 0.2"),
            ("correlation", correlation, -1 < correlation < 1, "a number between -1 and 1"),
            ("surrogate_sd", surrogate_sd, 0 < surrogate_sd < math.inf, "a number above 0"),
            ("slope_sd", slope_sd, 0 < slope_sd < math.inf, "a number above 0"),
            ("treated", treated, treated >= 2, "2 persons or more"),
            ("controls", controls, controls >= 2, "2 persons or more"),
            ("trials", trials, trials >= 2, "2 trials or more"),
            ("level", level, 0 < level < 1, "a number between 0 and 1, such as 0.95"),
        )
        if not good
    ]
    if not problems and trials * (treated + controls) > MOST:
        problems.append(f"trials: expected {MOST // (treated + controls):,} or fewer of this size, got {trials:,}")
    if problems:
        raise BadInput(problems)
    cut = math.log1p(-reduction)
    share, expected = _truncated((cut - drift - surrogate_effect) / surrogate_sd, correlation * slope_sd)
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((2, trials, treated))
    change = drift + surrogate_effect + surrogate_sd * first
    slope = slope_mean + slope_sd * (correlation * first + math.sqrt(1 - correlation**2) * second)
    control = slope_mean + slope_sd * rng.standard_normal((trials, controls))
    estimates, intervals = {}, {}
    for name, chosen in ((RESPONDERS, change <= cut), (RANDOMISED, np.ones_like(change, dtype=bool))):
        estimates[name], intervals[name] = _compared(slope, chosen, control, level)
    return ResponderTrap(
        reduction, surrogate_effect, correlation, surrogate_sd, slope_mean, slope_sd, drift, treated, controls, seed,
        level, share, expected, estimates, intervals,
    )  # fmt: skip


def _truncated(z: float, slope: float) -> tuple[float, float]:
    """Phi(z), and slope times the mean of a standard normal variable below z, -phi(z) / Phi(z)."""
    from scipy.special import log_ndtr

    log_share = float(log_ndtr(z))
    ratio = math.exp(-0.5 * z**2 - 0.5 * math.log(2 * math.pi) - log_share)
    return math.exp(log_share), -slope * ratio


def _compared(slope: Array, chosen: npt.NDArray[np.bool_], control: Array, level: float) -> tuple[Array, Array]:
    """Differences of means in each trial with Welch's intervals; NaN with fewer than two chosen."""
    from scipy.special import stdtrit

    n, m = chosen.sum(axis=1).astype(float), control.shape[1]
    n[n < 2] = np.nan
    mean = np.where(chosen, slope, 0.0).sum(axis=1) / n
    within = np.where(chosen, (slope - mean[:, None]) ** 2, 0.0).sum(axis=1) / (n - 1) / n
    other = control.var(axis=1, ddof=1) / m
    difference = mean - control.mean(axis=1)
    freedom = (within + other) ** 2 / (within**2 / (n - 1) + other**2 / (m - 1))
    half = stdtrit(freedom, (1 + level) / 2) * np.sqrt(within + other)
    return difference, np.stack([difference - half, difference + half], axis=1)
