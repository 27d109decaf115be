"""A person of the made-up joint study on a dense grid of deviations: the model written out again, without kernels."""

from __future__ import annotations

from itertools import pairwise

import joint_study
import numpy as np
from joint_study import MONTH, POINT, WITHDRAWAL
from scipy.integrate import simpson
from scipy.stats import lognorm, multivariate_normal, norm

from bayesmodels.models.visits.hazard_terms import hazard_scale

STUDY = joint_study.study()
MODEL = joint_study.model()


def grid_of(person: int, landmark=None, cells=161, skewness=None):
    """Deviations of level and rate on a grid, and the log of their joint density with a person's visits and exit.

    With a landmark: with the visits until then, and no event until then. With a skewness: the grid is one of the level
    and of the normal z of the rate, whose long tail is below; integrals over it are `integral_over_z`.
    """
    point = POINT
    row = STUDY.persons.iloc[person]
    stratum = STUDY.stratum_labels.index(row["stratum"])
    level, rate, effect = point["term_mean"][:, stratum]
    sd, rho = point["term_sd"][0], 2 * point["partial_correlation"][0] - 1
    covariance = np.outer(sd, sd) * np.array([[1, rho], [rho, 1]])
    one, other = np.meshgrid(np.linspace(-6, 6, cells) * sd[0], np.linspace(-6, 6, cells) * sd[1], indexing="ij")
    visits = STUDY.visits[STUDY.visits["person"] == row["person"]]
    visits = visits[visits["week"] <= (np.inf if landmark is None else landmark)]
    start = row["drug_start_week"] / MONTH

    def course(t):
        return level + one + (rate + other) * t + effect * max(t - start, 0.0)

    density = multivariate_normal(np.zeros(2), covariance).logpdf(np.stack([one, other], axis=-1))
    if skewness is not None:
        variable = lognorm(s=skewness)
        other = -sd[1] * (np.exp(-skewness * other / sd[1]) - variable.mean()) / variable.std()
    for week, value in zip(visits["week"], visits["value"], strict=True):
        density = density + norm.logpdf(value, course(week / MONTH), point["error_sd"][0, 0])
    event = STUDY.events.set_index("person").loc[row["person"]]
    end = (event["week"] if landmark is None else max(landmark, 0.0)) / MONTH
    log_hazards = hazards_of(person, one, other)
    density = density - sum(cumulative(log_hazards, 0.0, end, start))
    if landmark is None and event["event"] != "none":
        density = density + log_hazards(end)[("death", "withdrawal").index(event["event"])]
    return one, other, density


def hazards_of(person: int, one, other, start=None):
    """Function of months to the log hazards of death and withdrawal, on a grid of deviations; `start` of the drug."""
    row = STUDY.persons.iloc[person]
    level, rate, effect = POINT["term_mean"][:, STUDY.stratum_labels.index(row["stratum"])]
    start = row["drug_start_week"] / MONTH if start is None else start
    scale, age = hazard_scale(MODEL, STUDY), STUDY.persons["age"]
    gamma = POINT["hazard_ratio"][0] * (row["age"] - age.mean()) / age.std(ddof=0)
    by_value, by_rate, leaving = POINT["hazard_association"]

    def log_hazards(t):
        off = level + one + (rate + other) * t + effect * max(t - start, 0.0) - scale.last_values[0]
        slope = rate + other + effect * (t > start)
        death = POINT["death_log_hazard"] + np.expm1(POINT["death_log_shape"]) * np.log(t / scale.exposures[0].typical)
        return (
            death + gamma + by_value * off + by_rate * slope,
            WITHDRAWAL[int(t >= 30 / MONTH)] + leaving * off,
        )

    return log_hazards


def cumulative(log_hazards, begin, end, start):
    """Cumulative hazards of death and of withdrawal between two months; steep near zero, so on a cubed grid."""
    edges = sorted({begin, *(c for c in (start, 30 / MONTH) if begin < c < end), end})
    total = [0.0, 0.0]
    for left, right in pairwise(edges):
        s = np.linspace(1e-4, 1 - 1e-9, 401)
        values = [log_hazards(left + (right - left) * v**3) for v in s]
        for e in (0, 1):
            rates = np.exp(np.array([value[e] for value in values]))
            step = (3 * s**2 * (right - left)).reshape(-1, *[1] * (rates.ndim - 1))
            total[e] = total[e] + simpson(rates * step, x=s, axis=0)
    return total


def integral(values, one, other):
    """Over the grid."""
    return simpson(simpson(values, x=other[0], axis=1), x=one[:, 0])


def integral_over_z(values, one):
    """Over a grid of `grid_of` with a skewness."""
    z = np.linspace(-6, 6, values.shape[1]) * POINT["term_sd"][0, 1]
    return simpson(simpson(values, x=z, axis=1), x=one[:, 0])
