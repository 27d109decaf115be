"""`[dropout]` of `VisitModel` against a route of its own: persons one at a time, conditional normals, imputations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayesmodels.analyses.dropout.analysis import Dropout
from bayesmodels.analyses.dropout.sensitivity import dropout_sensitivity
from bayesmodels.errors import BadInput
from bayesmodels.fitted import fit
from bayesmodels.fitting import NutsSettings
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.reporting import report
from bayesmodels.study import Study
from bayesmodels.study.leaving import LeavingRule
from bayesmodels.vocabulary import months

WEEKS = np.array([0.0, 12.0, 24.0, 36.0])
STRATEGIES = ("missing_at_random", "jump_to_reference", "copy_increments", "copy_reference")
N = 160


def trial():
    """Two start groups; a third gone by week 36, some of them administratively; a few visits missed, at week 0 too."""
    rng = np.random.default_rng(21)
    group = np.arange(N) % 2
    lag = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    sd = np.array([6.0, 6.5, 7.5, 9.0])
    y = 36 - WEEKS * 0.25 + (group == 0)[:, None] * WEEKS * 0.12
    y = y + rng.standard_normal((N, 4)) @ np.linalg.cholesky(0.8**lag * np.outer(sd, sd)).T
    last = np.where(rng.uniform(size=N) < 0.4, rng.integers(1, 4, N), 4)
    seen = (np.arange(4) < last[:, None]) & (rng.uniform(size=(N, 4)) > 0.06)
    seen[:, 1] |= ~seen.any(axis=1)
    names = np.array([f"p{j:03d}" for j in range(N)])
    persons = pd.DataFrame({"person": names, "start_group": np.array(["drug", "placebo"])[group],
                            "drug_start_week": np.where(group == 0, 0.0, np.nan)})  # fmt: skip
    row, column = np.nonzero(seen)
    visits = pd.DataFrame({"person": names[row], "week": WEEKS[column], "outcome": "points", "value": y[row, column]})
    final = WEEKS[np.where(seen, np.arange(4), 0).max(axis=1)]
    early = rng.uniform(size=N) < 0.2
    event = np.where(final >= 24.1, "none", np.where(early, "lock", "withdrawal"))
    events = pd.DataFrame({"person": names, "week": np.where(event == "none", 36.0, final + 0.5), "event": event})
    return Study.from_frames(persons, visits, events, reference_group="placebo"), np.where(seen, y, np.nan), event


def model(**fields):
    outcome = {"name": "points", "good_direction": "up", "typical": {"level": 36.0, "spread": 7.0},
               "effect_on_level_prior": {"mean": 0.0, "sd": 100.0}}  # fmt: skip
    return VisitModel(outcomes=[outcome], **fields)


RULE = LeavingRule(administrative=("none", "lock"))


@pytest.fixture(scope="module", params=["everyone", "start_group"])
def fitted(request):
    study, values, event = trial()
    own = model(covariance_of=request.param)
    tree = fit(own, study, NutsSettings(draws=250, tune=500, chains=2, seed=5, progress=False))
    deltas = [0.0, 0.5, 1.0]
    found = dropout_sensitivity(own, tree, study, "points", 36.0, seed=1, rule=RULE, deltas=deltas, draws=500)
    return found, tree, values, event


def conditional(mean, covariance, target, given, y):
    """Mean and variance of one entry given others, by the textbook formula."""
    if not len(given):
        return mean[target], covariance[target, target]
    weights = np.linalg.solve(covariance[np.ix_(given, given)], covariance[given, target])
    return mean[target] + weights @ (y[given] - mean[given]), covariance[target, target] - weights @ covariance[
        given, target
    ]


def draws_of(tree):
    """Means (sample, group, visit), covariances (sample, group, visit, visit) from what is published."""
    p = tree["posterior"].to_dataset().stack(sample=("chain", "draw"))
    curve = p["curve"].isel(outcome=0, stratum=0).transpose("sample", "start_group", "week").to_numpy()
    sd = p["visit_sd"].isel(outcome=0).transpose("sample", "start_group", "visit").to_numpy()
    r = p["visit_correlation"].isel(outcome=0).transpose("sample", "start_group", "visit", "visit_other").to_numpy()
    return curve, r * sd[..., :, None] * sd[..., None, :]


def strategy_moments(name, means, covariances, g, y, past):
    """Mean and variance at week 36 of a person of group g who left with a past, by a strategy."""
    reference, last = 1, past[-1]
    if name == "missing_at_random":
        return conditional(means[g], covariances[g], 3, past, y)
    if name == "copy_reference":
        return conditional(means[reference], covariances[reference], 3, past, y)
    joint = means[g].copy()  # the own mean up to the exit, then what the strategy says
    joint[3] = means[reference][3]
    if name == "copy_increments":
        joint[3] = means[g][last] + means[reference][3] - means[reference][last]
    return conditional(joint, covariances[reference], 3, past, y)


def left_of(values, event):
    return np.isnan(values[:, 3]) & (event == "withdrawal")


def test_means_by_strategy_draw_by_draw(fitted):
    """Bayesian answer without the chance of who left: equal weights in place of the bootstrap's, in expectation."""
    found, tree, values, event = fitted
    curve, covariance = draws_of(tree)
    left, group = left_of(values, event), np.arange(N) % 2
    assert left.mean() > 0.15
    for name in STRATEGIES:
        expected = curve[:, 0, 3] - curve[:, 1, 3]
        shifts = np.zeros((len(curve), N))
        for m in range(len(curve)):
            for i in np.flatnonzero(left):
                past = np.flatnonzero(np.isfinite(values[i]))
                args = (curve[m], covariance[m], group[i], values[i], past)
                shifts[m, i] = strategy_moments(name, *args)[0] - strategy_moments("missing_at_random", *args)[0]
        expected = expected + shifts[:, group == 0].mean(axis=1) - shifts[:, group == 1].mean(axis=1)
        drawn = found["difference"].sel(strategy=name).to_numpy().ravel()
        error = shifts[:, group == 0].std() / np.sqrt(N / 2)  # of a bootstrap's mean, each draw
        assert np.abs(drawn.mean() - expected.mean()) < 5 * error / np.sqrt(len(drawn)) + 1e-9, name
        residual = np.corrcoef(drawn, expected)[0, 1]
        assert residual > 0.9, name
        if name == "missing_at_random":
            np.testing.assert_allclose(drawn, expected, rtol=1e-9)


def test_delta_and_shares(fitted):
    found, _, values, event = fitted
    left, group = left_of(values, event), np.arange(N) % 2
    np.testing.assert_allclose(found["share_missing"][:, 0], [left[group == g].mean() for g in (0, 1)])
    last = np.array([WEEKS[np.flatnonzero(np.isfinite(v)).max()] for v in values])
    burden = np.where(left, months(36.0 - last), 0.0)
    at_zero = found["delta_difference"].isel(delta_group=0, delta_reference=0).mean()
    in_group = float(found["delta_difference"].isel(delta_group=2, delta_reference=0).mean() - at_zero)
    assert in_group == pytest.approx(-burden[group == 0].mean(), rel=0.05)
    in_reference = float(found["delta_difference"].isel(delta_group=0, delta_reference=1).mean() - at_zero)
    assert in_reference == pytest.approx(0.5 * burden[group == 1].mean(), rel=0.05)


def imputed_by_hand(curve, covariance, values, event, name, rng):
    """Value at week 36 and at week 0 of everyone, drawn where missing."""
    group, left = np.arange(N) % 2, left_of(values, event)
    done = values.copy()
    for i in range(N):
        g = group[i]
        if np.isnan(done[i, 0]):
            given = np.flatnonzero(np.isfinite(values[i]))
            mean, variance = conditional(curve[g], covariance[g], 0, given, values[i])
            done[i, 0] = mean + np.sqrt(variance) * rng.standard_normal()
        if np.isnan(done[i, 3]):
            past = np.flatnonzero(np.isfinite(done[i]))
            mean, variance = strategy_moments(
                name if left[i] else "missing_at_random", curve, covariance, g, done[i], past
            )
            done[i, 3] = mean + np.sqrt(variance) * rng.standard_normal()
    return done[:, 3], done[:, 0]


def test_rubins_rules_against_imputations_by_hand(fitted):
    """250 imputations person by person, a regression of each by the normal equations, Rubin's rules written out."""
    found, tree, values, event = fitted
    curve, covariance = draws_of(tree)
    rng, group = np.random.default_rng(8), np.arange(N) % 2
    for name in STRATEGIES:
        estimates, variances = [], []
        for m in range(0, len(curve), 2):
            y, start = imputed_by_hand(curve[m], covariance[m], values, event, name, rng)
            x = np.column_stack([np.ones(N), group == 0, start]).astype(float)
            inverse = np.linalg.inv(x.T @ x)
            beta = inverse @ x.T @ y
            estimates.append(beta[1])
            variances.append(inverse[1, 1] * ((y - x @ beta) ** 2).sum() / (N - 3))
        m, between = len(estimates), np.var(estimates, ddof=1)
        total = np.mean(variances) + (1 + 1 / m) * between
        error = np.sqrt(between / m)
        pooled = found.sel(strategy=name, contrast="drug - placebo")
        assert abs(float(pooled["pooled_difference"]) - np.mean(estimates)) < 5 * error, name
        assert float(pooled["pooled_se"]) == pytest.approx(np.sqrt(total), rel=0.05), name
        upper = float(pooled["pooled_upper"])
        assert upper == pytest.approx(float(pooled["pooled_difference"]) + 1.99 * np.sqrt(total), rel=0.05)


def test_rubins_interval_is_information_anchored(fitted):
    """As wide as under missing at random, where the posterior of a reference-based difference narrows."""
    found, *_ = fitted
    se = found["pooled_se"].isel(contrast=0).to_numpy()
    sd = found["difference"].std(("chain", "draw")).isel(contrast=0, stratum=0).to_numpy()
    assert se[1:] == pytest.approx(np.full(3, se[0]), rel=0.12)
    assert sd[1] < 0.9 * sd[0]
    assert se[0] == pytest.approx(sd[0], rel=0.12)
    mar = found.sel(strategy="missing_at_random")
    assert float(mar["pooled_difference"].item()) == pytest.approx(float(mar["difference"].mean()), abs=0.4 * sd[0])


def test_the_analysis_and_its_page():
    study, *_ = trial()
    asked = Dropout(outcome="points", week=36, administrative=("none", "lock"))
    tree = fit(model(), study, NutsSettings(draws=200, tune=300, chains=2, seed=5, progress=False), (asked,))
    page = report(tree)
    pooled = page.tables["dropout_pooled"]
    assert pooled["strategy"].tolist() == list(STRATEGIES)
    assert (pooled["lower"] < pooled["difference"]).all()
    assert len(page.tables["dropout_strategies"]) == 4
    assert {"curves", "differences"} <= set(page.tables)
    sds = [row["index"] for row in page.summary["parameters"] if row["name"] == "visit_sd"]
    assert [index["visit"] for index in sds if index["start_group"] == "drug"] == ["0.0", "12.0", "24.0", "36.0"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"week": 30.0}, "week: expected a nominal visit of the model with points (0, 12, 24, 36), got 30"),
        ({"reference": "never_treated"}, "has no course without the drug"),
        ({"outcome": "svc"}, "outcome: expected one of the model's (points)"),
    ],
)
def test_refusals(options, said):
    study, *_ = trial()
    asked = {"outcome": "points", "week": 36.0} | options
    problems = Dropout(**asked).problems(model(), study)
    assert said in "\n".join(map(str, problems))
    with pytest.raises(BadInput):
        dropout_sensitivity(model(), xr.DataTree.from_dict({"posterior": xr.Dataset()}), study, seed=1, **asked)


def test_default_deltas_need_no_rate():
    study, *_ = trial()
    asked = Dropout(outcome="points", week=36)
    tree = fit(model(), study, NutsSettings(draws=100, tune=200, chains=1, seed=5, progress=False), (asked,))
    grid = tree["dropout_sensitivity"]["delta_group"].to_numpy()
    np.testing.assert_allclose(grid, np.linspace(0, 7.0 / months(36.0), 11))
