"""Individual-level association from a longitudinal posterior: do persons whose surrogate differs fare differently?

Nothing here is trial-level surrogacy: an association between persons of an arm says nothing by itself of what a drug's
effect on the surrogate does to the outcome. R2_Lambda, variance reduction factor, PART: Alonso et al. 2003, 2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from bayesmodels.posterior.intervals import probability, summarise
from bayesmodels.surrogacy.criteria.arms import ACTIVE, Arms
from bayesmodels.surrogacy.criteria.courses import Courses


@dataclass(frozen=True)
class VectorAssociation:
    """Association of a vector S with a vector T, all in 0 to 1, by draw.

    Parameters
    ----------
    r2_lambda : (draw,)
        1 - |Sigma| / (|S_SS| |S_TT|) = 1 - prod (1 - rho_k^2) over canonical correlations.
    variance_reduction : (draw,)
        tr(S_TT - S_T|S) / tr(S_TT); depends on T's units.
    part : (draw,)
        Mean over T's directions of the share of variance S explains: tr{(S_TT - S_T|S) S_TT^-1} / p.
    """

    r2_lambda: np.ndarray
    variance_reduction: np.ndarray
    part: np.ndarray


def vector_association(covariance: np.ndarray, first: int) -> VectorAssociation:
    """R2_Lambda, variance reduction factor and PART of (draw, n, n) covariances, S the first `first` components."""
    ss, tt = covariance[:, :first, :first], covariance[:, first:, first:]
    st = covariance[:, :first, first:]
    explained = np.swapaxes(st, 1, 2) @ np.linalg.solve(ss, st)
    gap = sum(np.linalg.slogdet(part)[1] * sign for part, sign in ((covariance, 1), (ss, -1), (tt, -1)))
    trace = np.trace(explained, axis1=1, axis2=2) / np.trace(tt, axis1=1, axis2=2)
    part = np.trace(np.linalg.solve(tt, explained), axis1=1, axis2=2) / tt.shape[-1]
    return VectorAssociation(-np.expm1(np.minimum(gap, 0.0)), trace, part)


def term_association(courses: Courses, surrogate: str, outcome: str) -> VectorAssociation:
    """Association of the outcome's random effects with the surrogate's: visit-free, whatever the schedule and assay.

    Terms are scaled by their SDs, so that the variance reduction factor is the mean share explained of a term.
    """
    of_s, of_t = (_terms(courses, name) for name in (surrogate, outcome))
    chosen = [*of_s, *of_t]
    return vector_association(courses.correlation[:, chosen][:, :, chosen], len(of_s))


def visit_association(
    courses: Courses, surrogate: str, outcome: str, weeks: dict[str, np.ndarray], observed: bool
) -> VectorAssociation:
    """Association of the outcome's values with the surrogate's at the trial's visits, mean over start groups.

    Parameters
    ----------
    courses : Courses
    surrogate, outcome : str
    weeks : dict of str to ndarray
        Visits of each start group.
    observed : bool
        With residual error, all three; without (true values) the variance reduction factor only, the others being those
        of the terms.
    """
    found = []
    for group, visits in weeks.items():
        g = courses.groups.index(group)
        loading = [courses.at_visits(name, visits)[:, g] for name in (surrogate, outcome)]
        both = np.concatenate(loading, axis=1)
        covariance = both @ courses.covariance @ np.swapaxes(both, 1, 2)
        n = len(visits)
        errors = np.concatenate(
            [np.repeat(courses.residual[:, [courses.outcomes.index(k)]], n, axis=1) for k in (surrogate, outcome)], 1
        )
        covariance = covariance + np.eye(2 * n) * (errors[:, None, :] if observed else 1e-9 * errors[:, None, :])
        found.append((courses.share[group], vector_association(covariance, n)))
    total = sum(share for share, _ in found)
    means = [
        sum(share * getattr(v, name) for share, v in found) / total
        for name in ("r2_lambda", "variance_reduction", "part")
    ]
    if not observed:
        means[0], means[2] = (np.full_like(means[1], np.nan) for _ in range(2))
    return VectorAssociation(*means)


def slope_r2(courses: Courses, surrogate: str, outcome: str) -> dict[str, np.ndarray]:
    """R2 of the outcome's rate on the surrogate's terms, each alone and all together, by draw.

    Keys are the surrogate's terms without its name ("level", "rate", "effect": level at randomisation, drift, response
    to the drug), and "level + rate + ...". It depends on correlations only, so not on the stratum.
    """
    target = courses.terms.index(f"{outcome}:rate")
    terms = {courses.terms[p].partition(":")[2]: p for p in _terms(courses, surrogate)}
    correlations = courses.correlation
    sets: list[tuple[str, ...]] = [(name,) for name in terms]
    sets += [tuple(terms)] if len(terms) > 1 else []
    found = {}
    for names in sets:
        chosen = [terms[name] for name in names]
        own = correlations[:, chosen][:, :, chosen]
        with_target = correlations[:, chosen, target]
        weights = np.linalg.solve(own, with_target[..., None])[..., 0]
        found[" + ".join(names)] = (with_target * weights).sum(axis=1)
    return found


def correlation_table(courses: Courses, level: float) -> pd.DataFrame:
    """Correlations of random effects, a row per pair: `term`, `term_other`, `median`, `lower`, `upper`, `positive`."""
    correlations = courses.correlation
    rows = []
    for p, q in combinations(range(len(courses.terms)), 2):
        numbers = summarise(correlations[:, p, q], level)
        rows.append(
            {
                "term": courses.terms[p],
                "term_other": courses.terms[q],
                **{name: float(numbers[name]) for name in ("median", "lower", "upper")},
                "positive": probability(correlations[:, p, q] > 0),
            }
        )
    return pd.DataFrame(rows)


def prediction_table(
    arms: Arms, changes: np.ndarray, months: float, level: float, seed: int = 0, arm: int = ACTIVE
) -> pd.DataFrame:
    """Outcome's slope of a new person in an arm, given the person's surrogate change.

    Parameters
    ----------
    arms : Arms
    changes : (value,)
        Changes of the surrogate.
    months : float
        Span of the outcome's change: slopes are per month over it.
    level : float
    seed : int
        Of the new persons.
    arm : int

    Returns
    -------
    DataFrame
        `surrogate_change`; `expected_median`, `expected_lower`, `expected_upper` (mean of such persons); `lower`,
        `upper` (one new person), outcome unit per month.
    """
    rng = np.random.default_rng(seed)
    mean, sigma, slope = arms.mean[:, arm], arms.covariance[:, arm], arms.arm_gamma[:, arm]
    left = np.sqrt(np.maximum(sigma[:, 1, 1] - slope * sigma[:, 0, 1], 0.0))
    tail = (1 - level) / 2
    rows = []
    for change in changes:
        expected = (mean[:, 1] + slope * (change - mean[:, 0])) / months
        person = expected + left / months * rng.standard_normal(len(expected))
        lower, median, upper = np.quantile(expected, [tail, 0.5, 1 - tail])
        low, high = np.quantile(person, [tail, 1 - tail])
        rows.append(
            {
                "surrogate_change": float(change),
                "expected_median": float(median),
                "expected_lower": float(lower),
                "expected_upper": float(upper),
                "lower": float(low),
                "upper": float(high),
            }
        )
    return pd.DataFrame(rows)


def _terms(courses: Courses, name: str) -> list[int]:
    return [p for p, term in enumerate(courses.terms) if term.partition(":")[0] == name]
