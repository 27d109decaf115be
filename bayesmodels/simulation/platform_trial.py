"""Platform trials with shared controls, one rate ratio on decline and hazard, simulated from the mathematics.

    score = level_i - rate_i slope_ratio exp(eta_r) m + residual,    hazard of death = control's x hazard_ratio

m = 12/52 week, eta_r of the regimen. Source of the design: the HEALEY ALS platform trial (regimens of 120 active and 40
placebo, visits every four weeks to week 24). Simulated scores are normal: neither rounded nor limited to 0 to 48.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

OUTCOME = "alsfrs_r"
CONTROL = "placebo"
WEEKS_PER_MONTH = 52 / 12
DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True)
class PlatformDesign:
    """A platform trial.

    Parameters
    ----------
    regimens, active, control : int
        Regimens that run at the same time, and persons of each arm in a regimen.
    visit_weeks : tuple of float
        The last one ends follow-up.
    accrual : float
        Persons randomised a month over the whole platform, uniform in time, in random order of regimens and arms.
    """

    regimens: int = 3
    active: int = 120
    control: int = 40
    visit_weeks: tuple[float, ...] = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0)
    accrual: float = 40.0

    @property
    def persons(self) -> int:
        """Persons of the whole platform."""
        return self.regimens * (self.active + self.control)

    @property
    def accrual_days(self) -> float:
        """Days from the first to the last possible randomisation."""
        return self.persons / self.accrual * DAYS_PER_MONTH

    @property
    def drugs(self) -> tuple[str, ...]:
        """Names of the active arms: drug_A in regimen A and so on."""
        return tuple(f"drug_{chr(65 + r)}" for r in range(self.regimens))


@dataclass(frozen=True)
class PlatformTruth:
    """What a platform trial is generated from; every regimen's drug does the same.

    Parameters
    ----------
    slope_ratio, hazard_ratio : float
        Of the active arms over the control.
    level, level_sd : float
        ALSFRS-R at randomisation and its SD between persons, points.
    rate, rate_sd : float
        Decline and its SD between persons, points a month of 52/12 weeks.
    residual_sd : float
        SD of a visit, points.
    mortality : float
        Share of the control that dies (or is permanently ventilated) within `mortality_weeks`, were there no dropout.
    mortality_weeks : float
    dropout : float
        Share of those still followed that leaves in a month.
    regimen_sd : float
        SD of the log rate between regimens, all arms alike.
    """

    slope_ratio: float = 1.0
    hazard_ratio: float = 1.0
    level: float = 38.0
    level_sd: float = 6.7
    rate: float = 1.0
    rate_sd: float = 0.8
    residual_sd: float = 1.5
    mortality: float = 0.05
    mortality_weeks: float = 24.0
    dropout: float = 0.02
    regimen_sd: float = 0.0

    @property
    def hazard(self) -> float:
        """The control's hazard of death, per month."""
        return -np.log1p(-self.mortality) / (self.mortality_weeks / WEEKS_PER_MONTH)


@dataclass(frozen=True)
class PlatformTrial:
    """Tables of a simulated platform trial (not data).

    Parameters
    ----------
    persons : DataFrame
        person, start_group, drug_start_week (missing for the control), regimen, randomised_day.
    visits : DataFrame
        person, week, outcome, value.
    events : DataFrame
        person, week, event: death, withdrawal or none.
    """

    persons: pd.DataFrame
    visits: pd.DataFrame
    events: pd.DataFrame


def simulate_platform_trial(
    design: PlatformDesign, truth: PlatformTruth, seed: int | np.random.Generator
) -> PlatformTrial:
    """Simulate one platform trial; the same seed gives the same persons under every truth.

    Parameters
    ----------
    design : PlatformDesign
    truth : PlatformTruth
    seed : int or Generator
    """
    rng = np.random.default_rng(seed)
    n, weeks = design.persons, np.array(design.visit_weeks)
    order = rng.permutation(n)
    regimen = np.repeat(np.arange(design.regimens), design.active + design.control)[order]
    active = np.tile(np.repeat([True, False], [design.active, design.control]), design.regimens)[order]
    day = np.sort(rng.uniform(0.0, design.accrual_days, n))
    level = truth.level + truth.level_sd * rng.standard_normal(n)
    rate = truth.rate + truth.rate_sd * rng.standard_normal(n)
    residual = truth.residual_sd * rng.standard_normal((n, len(weeks)))
    death = rng.standard_exponential(n) / (truth.hazard * np.where(active, truth.hazard_ratio, 1.0))
    leave = rng.standard_exponential(n) / -np.log1p(-truth.dropout)

    slowed = rate * np.where(active, truth.slope_ratio, 1.0)
    if truth.regimen_sd:
        slowed = slowed * np.exp(truth.regimen_sd * rng.standard_normal(design.regimens))[regimen]
    score = level[:, None] - slowed[:, None] * weeks / WEEKS_PER_MONTH + residual
    exits = np.stack([death * WEEKS_PER_MONTH, leave * WEEKS_PER_MONTH, np.full(n, weeks[-1])])
    kind, exit_week = exits.argmin(axis=0), exits.min(axis=0)
    label = np.array([f"sim-{number:04d}" for number in range(1, n + 1)])
    drugs = np.array(design.drugs)
    persons = pd.DataFrame(
        {
            "person": label,
            "start_group": np.where(active, drugs[regimen], CONTROL),
            "drug_start_week": np.where(active, 0.0, np.nan),
            "regimen": [chr(65 + r) for r in regimen],
            "randomised_day": day,
        }
    )
    row, column = np.nonzero(weeks[None, :] <= exit_week[:, None])
    visits = pd.DataFrame(
        {"person": label[row], "week": weeks[column], "outcome": OUTCOME, "value": score[row, column]}
    )
    ended = np.array(["death", "withdrawal", "none"])[kind]
    events = pd.DataFrame({"person": label, "week": exit_week, "event": ended})
    return PlatformTrial(persons, visits, events)
