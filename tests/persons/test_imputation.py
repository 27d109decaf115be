"""Completed tables against the conditional normal; pooled ANCOVA against the truth of a simulated trial."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from same_draw import same_draw

from bayesmodels.errors import BadInput
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import replaced
from bayesmodels.persons.imputation import impute, imputed_ancova
from bayesmodels.statistics import ancova
from bayesmodels.study import Study
from bayesmodels.vocabulary import MONTH_IN_WEEKS

MEAN, SD, PARTIAL, ERROR = np.array([36.0, -1.2]), np.array([5.0, 0.6]), -0.3, 1.5
GAIN, WEEKS, DRAWS = 0.4, (0.0, 12.0, 28.0), 150


def model() -> LongitudinalModel:
    outcome = {
        "name": "score", "good_direction": "up", "typical": {"level": 36.0, "spread": 5.0, "rate": 1.0},
        "unit": "points", "effect": {"type": "slope_change", "lag": 0.0},
    }  # fmt: skip
    return LongitudinalModel(outcomes=(outcome,), pooling="complete")


def simulated(seed: int, n: int = 200) -> tuple[Study, np.ndarray]:
    """Persons who at week 12 are among the faster half leave before week 28 with probability .7: missing at random."""
    rng = np.random.default_rng(seed)
    early = np.arange(n) % 2 == 0
    persons = pd.DataFrame({
        "person": [f"p{j:03d}" for j in range(n)], "start_group": np.where(early, "early", "delayed"),
        "drug_start_week": np.where(early, 0.0, 28.0),
    })  # fmt: skip
    covariance = np.outer(SD, SD) * np.array([[1, PARTIAL], [PARTIAL, 1]])
    terms = MEAN + rng.multivariate_normal([0.0, 0.0], covariance, n)
    months = np.array(WEEKS) / MONTH_IN_WEEKS
    value = terms[:, [0]] + (terms[:, [1]] + GAIN * early[:, None]) * months + rng.normal(0, ERROR, (n, 3))
    fast = value[:, 1] - value[:, 0] < np.median(value[:, 1] - value[:, 0])
    gone = fast & (rng.random(n) < 0.7)
    rows = [
        (p, week, "score", value[j, k])
        for j, p in enumerate(persons["person"])
        for k, week in enumerate(WEEKS)
        if not (week == 28 and gone[j])
    ]
    visits = pd.DataFrame(rows, columns=["person", "week", "outcome", "value"])
    study = Study.from_frames(persons, visits, name="made up", reference_group="delayed")
    return study, np.where(gone[:, None] & (np.array(WEEKS) == 28), np.nan, value)


def posterior(draws: int = DRAWS) -> xr.DataTree:
    """The truth, many times."""
    known = {
        "term_mean": np.array([*MEAN, GAIN])[:, None], "term_sd": SD[None],
        "partial_correlation": np.array([(1 + PARTIAL) / 2]), "error_sd": np.array([[ERROR]]),
    }  # fmt: skip
    return same_draw(known, draws, {"fitted_stratum": ["all"], "start_group": ["early", "delayed"]})


def test_what_was_seen_stays_and_the_rest_is_conditional_normal():
    study, values = simulated(1, n=100)
    found = impute(model(), posterior(), study, "score", WEEKS, seed=2, imputations=DRAWS)
    seen = np.isfinite(values)
    np.testing.assert_array_equal(found.observed, seen)
    for table in found.values[:3]:
        np.testing.assert_allclose(table[seen], values[seen])
    s, t = (np.array(w) / MONTH_IN_WEEKS for w in (WEEKS[:2], WEEKS[2:]))
    covariance = np.outer(SD, SD) * np.array([[1, PARTIAL], [PARTIAL, 1]])
    x, y = (np.stack([np.ones_like(v), v], axis=1) for v in (s, t))
    gain = y @ covariance @ x.T @ np.linalg.inv(x @ covariance @ x.T + ERROR**2 * np.eye(2))
    spread = float(np.sqrt(y @ covariance @ y.T - gain @ x @ covariance @ y.T + ERROR**2)[0, 0])
    gone = np.flatnonzero(~seen[:, 2])
    early = gone % 2 == 0
    rate = MEAN[1] + GAIN * early
    past = MEAN[0] + rate[:, None] * s
    mean = MEAN[0] + rate * t + ((values[gone, :2] - past) @ gain.T)[:, 0]
    z = (found.values[:, gone, 2] - mean) / spread
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * z.size)
    assert (np.abs(z.mean(axis=0)) < 4.5 / np.sqrt(DRAWS)).all()


def test_imputed_scores_are_held_within_their_limits():
    study, values = simulated(3, n=20)
    low, high = float(np.nanmin(values)) - 0.1, float(np.nanmax(values)) + 0.1
    (outcome,) = model().outcomes
    limited = LongitudinalModel(outcomes=(replaced(outcome, {"limits": (low, high)}),), pooling="complete")
    wide = posterior()
    wide["posterior"]["term_sd"] = wide["posterior"]["term_sd"] * 4  # so that some would lie beyond
    plain, found = (impute(m, wide, study, "score", WEEKS, seed=2, imputations=DRAWS) for m in (model(), limited))
    assert ((plain.values < low) | (plain.values > high)).any()
    np.testing.assert_array_equal(found.values, np.clip(plain.values, low, high))


def test_pooled_ancova_finds_the_truth_that_completers_miss():
    """Over eight trials of 200: the truth is .4 x 28 / 4.348; completers are the slow ones of both groups."""
    truth = GAIN * 28 / MONTH_IN_WEEKS
    draws = posterior(60)
    completed, observed, widths = [], [], []
    for seed in range(8):
        study, values = simulated(10 + seed)
        tables = impute(model(), draws, study, "score", (0.0, 28.0), seed=seed, imputations=20)
        found = imputed_ancova(tables, study, 28.0, group="early")
        completed.append(found.estimate)
        widths.append(found.table.at[0, "se"])
        mine = np.arange(200) % 2 == 0
        observed.append(ancova(values[:, 2] - values[:, 0], mine, covariates={"baseline": values[:, 0]}).estimate)
    error = np.mean(widths) / np.sqrt(8)
    assert abs(np.mean(completed) - truth) < 3.5 * error
    assert np.mean(observed) < np.mean(completed)  # the delayed lose more of their fast decliners
    assert found.favoured == "early"
    assert "imputed tables pooled by Rubin's rules" in found.method
    assert 0 < found.counts["fraction of missing information"] < 0.7


def test_the_same_seed_gives_the_same_tables():
    study, _ = simulated(3, n=20)
    first, again = (impute(model(), posterior(40), study, "score", WEEKS, seed=4, imputations=5) for _ in range(2))
    np.testing.assert_array_equal(first.values, again.values)
    assert len(first.values) == 5
    assert first.table["observed"].tolist()[:2] == [20, 20]
    assert first.sentence().endswith("imputed 0% at week 0, 0% at week 12, 35% at week 28.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nfl", WEEKS, 1, {}), r"expected one of the model's \(score\)"),
        (("score", (0.0, 20.0), 1, {}), "nominal visit weeks"),
        (("score", WEEKS, 1, {"imputations": 1000}), "the posterior's draws"),
    ],
)
def test_what_cannot_be_imputed_is_refused(arguments, message):
    outcome, weeks, seed, options = arguments
    with pytest.raises(BadInput, match=message):
        impute(model(), posterior(40), simulated(3, n=20)[0], outcome, weeks, seed=seed, **options)
