"""The longitudinal model's mean course and likelihood written out by hand, for two outcomes with additive effects.

nfl_plasma: level + rate 8 (1 - exp(-own / 8)) + effect h, own the integral of 1 - h; h = 1 - exp(-(x - lag)_+ / kappa).
alsfrs_r: level + rate (1 - exp(-rho t)) / rho + effect (exp(-rho (t - x_+)) - exp(-rho t)) / rho, x_+ = (x - lag)_+.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad
from scipy.stats import lognorm, multivariate_normal

from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.presets import alsfrs_r, nfl_plasma, replaced
from bayesmodels.parts.effects import FUNCTION_LAG, DeceleratingSlope

MONTH = 365.25 / 12 / 7
OUTCOMES = ("nfl_plasma", "alsfrs_r")


def additive_outcomes() -> tuple[Outcome, Outcome]:
    """The presets with effects that add to the course, normal rates, steps of one size, and scales without limits."""
    marker = nfl_plasma()
    effect = replaced(marker.effect, {"late_slope": None})
    return (
        replaced(marker, {"effect": effect, "random_walk_time_constant": None}),
        replaced(alsfrs_r(), {"effect": DeceleratingSlope(lag=FUNCTION_LAG), "rate_skewness": None, "limits": None}),
    )


def basis(outcome, point, week, start_week) -> dict[str, float]:
    """Value of every term of an outcome at a week, for a person who starts the drug at `start_week`."""
    t, x = week / MONTH, (week - start_week) / MONTH  # minus infinity for those who never start
    if outcome == "nfl_plasma":
        lag, kappa = float(point["nfl_plasma_effect_lag"]), float(point["nfl_plasma_effect_time_constant"])

        def h(s):
            return 1 - np.exp(-max(s - lag, 0.0) / kappa)

        own = t - (quad(h, 0, x, points=[min(lag, x)])[0] if x > 0 else 0.0)
        return {"level": 1.0, "rate": 8 * (1 - np.exp(-own / 8)), "effect": h(x)}
    rho, lag = float(point["alsfrs_r_deceleration"]), float(point["alsfrs_r_effect_lag"])
    return {
        "level": 1.0,
        "rate": (1 - np.exp(-rho * t)) / rho,
        "effect": (np.exp(-rho * (t - max(x - lag, 0.0))) - np.exp(-rho * t)) / rho,
    }


def cell_means(pm_model, model: LongitudinalModel, point, group_effects) -> dict[str, np.ndarray]:
    """Mean of every term by (stratum, start group); effects of the start groups are given."""
    labels = list(pm_model.coords["any_term"])
    groups = len(pm_model.coords["start_group"])
    means = {label: np.repeat(point["term_mean"][p][:, None], groups, axis=1) for p, label in enumerate(labels)}
    for k, outcome in enumerate(OUTCOMES):
        drugged = np.isfinite(group_effects[k][0])
        means[f"{outcome}:effect"][:, drugged] = group_effects[k][:, drugged]
    if model.baseline == "free" and groups > 1:
        for k, outcome in enumerate(OUTCOMES):
            means[f"{outcome}:level"][:, :-1] += point["level_deviation"][k]
    return means


def group_deviation(point, effect, prior_sd) -> np.ndarray:
    """Contrasts of the start groups' effects; `prior_sd`: of the effect. Sampled is their size in standard errors."""
    sd, known = point["effect_group_sd"][effect], prior_sd / 2 / 4
    return point["scaled_effect_contrast"][effect] * sd * known / np.hypot(known, sd)


def of_skewed_rate(point, row, skewness) -> tuple[np.ndarray, np.ndarray]:
    """Means of a skewed falling rate, (stratum,), and its SDs; `row`: its place among the terms.

    Sampled are its median and its SD times the slope of its quantiles there. exp(k z) has median 1 and slope k.
    """
    if skewness == 0:
        return point["term_median"][row], point["term_sd_at_median"][:, 0]
    variable = lognorm(s=skewness)
    sd = point["term_sd_at_median"][:, 0] * variable.std() / skewness
    return point["term_median"][row] - sd * (variable.mean() - 1.0) / variable.std(), sd


def curve(pm_model, point, means, starts, week) -> np.ndarray:
    """Mean course at a week, (outcome, start group, stratum)."""
    out = np.zeros((2, len(starts), means["alsfrs_r:level"].shape[0]))
    for k, outcome in enumerate(OUTCOMES):
        for g, start in enumerate(starts):
            for name, value in basis(outcome, point, week, start).items():
                out[k, g] += value * means[f"{outcome}:{name}"][:, g]
    return out


def correlation(partial) -> np.ndarray:
    """Cholesky factor by the textbook recursion, times its transpose; `partial` on 0 to 1."""
    z = 2 * np.asarray(partial) - 1
    q = int((1 + np.sqrt(1 + 8 * len(z))) / 2)
    factor, position = np.eye(q), 0
    for i in range(q):
        for j in range(i):
            factor[i, j] = z[position] * np.sqrt(1 - (factor[i, :j] ** 2).sum())
            position += 1
        factor[i, i] = np.sqrt(1 - (factor[i, :i] ** 2).sum())
    return factor @ factor.T


def person_log_likelihood(pm_model, model, study, point, means, random_terms, covariate_slopes) -> np.ndarray:
    """SciPy's multivariate normal of every person's visits, in the order of the persons table.

    `covariate_slopes`: (term label, covariate) to its slope per SD.
    """
    persons, visits = study.persons, study.visits
    scaled = {}
    for name in {c for _, c in covariate_slopes}:
        column = persons[name].astype(float)
        scaled[name] = (column - column.mean()) / column.std(ddof=0)
    r = correlation(point["partial_correlation"])
    out = []
    for i, person in persons.reset_index(drop=True).iterrows():
        s = study.stratum_labels.index(person["stratum"])
        g = study.start_groups.index(person["start_group"])
        sd = point["term_sd"][min(s, len(point["term_sd"]) - 1)]
        covariance = sd[:, None] * r * sd
        mean_of = {label: value[s, g] for label, value in means.items()}
        for (label, name), slope in covariate_slopes.items():
            mean_of[label] += slope * scaled[name].iloc[i]
        row = min(s, len(point["error_sd"]) - 1)
        y, mu, z, noise, random_walk, t = [], [], [], [], [], []
        for _, visit in visits[visits["person"] == person["person"]].iterrows():
            outcome = visit["outcome"]
            found = basis(outcome, point, visit["week"], person["drug_start_week"])
            y.append(np.log(visit["value"]) if outcome == "nfl_plasma" else visit["value"])
            mu.append(sum(value * mean_of[f"{outcome}:{name}"] for name, value in found.items()))
            z.append([found[t.split(":")[1]] if t.startswith(outcome) else 0.0 for t in random_terms])
            noise.append(point["error_sd"][row][OUTCOMES.index(outcome)])
            own = np.zeros(len(OUTCOMES))
            own[OUTCOMES.index(outcome)] = point["path_sd"][row][OUTCOMES.index(outcome)]
            random_walk.append(own)
            t.append(visit["week"] * 7 * 12 / 365.25)
        z, random_walk = np.array(z), np.array(random_walk)
        errors = np.diag(np.square(noise)) + random_walk @ random_walk.T * np.minimum.outer(t, t)
        out.append(multivariate_normal(mu, z @ covariance @ z.T + errors).logpdf(y))
    return np.array(out)
