"""The gridded posterior of the study of borrowing in the shared-rate model: against dense normals and the sampler."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import multivariate_normal, norm
from validation.borrowing_decline import exact, study

GROUPS = study.visits_of(np.random.default_rng(3), 0.7)


def directly(y, level_sd, sd, decline):
    """Log of the likelihood of whole visits, mean level and SD of errors integrated by quadrature."""
    t = study.MONTHS
    between = level_sd**2 + sd**2 * np.outer(t, t)

    def log_density(sigma, level):
        covariance = between + sigma**2 * np.eye(len(t))
        return multivariate_normal(level - decline * t, covariance).logpdf(y).sum() + norm.logpdf(level, 38, 10)

    middle = log_density(2.0, y.mean())
    value, _ = dblquad(
        lambda sigma, level: np.exp(log_density(sigma, level) - middle), 10, 60, 0.3, 4.0, epsabs=0, epsrel=1e-5
    )
    return middle + np.log(value)


def test_a_groups_table_is_the_integral_over_mean_level_and_errors():
    y = GROUPS[1][:8]
    points = [(6.0, 0.8, 1.0), (5.0, 1.1, 0.6), (7.0, 0.3, 1.4)]
    group = exact.group_of(y, study.MONTHS)
    found = [exact.log_table(group, study.MONTHS, *(np.array([v]) for v in point))[0, 0, 0] for point in points]
    expected = [directly(y, *point) for point in points]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), atol=2e-3)


def test_external_controls_of_another_decline_shift_the_table_and_nothing_else():
    data = exact.likelihood_of([exact.group_of(y, study.MONTHS) for y in GROUPS], study.MONTHS)
    faster = 0.4
    moved = [*GROUPS[:2], GROUPS[2] - faster * study.MONTHS]
    anew = exact.likelihood_of([exact.group_of(y, study.MONTHS) for y in moved], study.MONTHS)
    np.testing.assert_allclose(anew.external, data.external, rtol=1e-9)
    np.testing.assert_allclose(anew.external_decline, data.external_decline + faster)
    arguments = (study.followed(), 0.3, np.array([0.05, 0.5]), np.array([0.5, 0.5]))
    one, other = exact.posterior(data, *arguments, faster), exact.posterior(anew, *arguments)
    assert one == pytest.approx(other, rel=1e-9)


def test_share_used_goes_from_pooled_to_nothing():
    data = exact.likelihood_of([exact.group_of(y, study.MONTHS) for y in GROUPS], study.MONTHS)
    one = np.ones(1)
    used = [exact.posterior(data, study.followed(), 0.3, sd * one, one)["share_used"] for sd in (0.001, 0.1, 0.4, 5.0)]
    assert used[0] == 1
    assert used == sorted(used, reverse=True)
    assert used[-1] == pytest.approx(0, abs=0.02)
    alone = exact.likelihood_of([exact.group_of(y, study.MONTHS) for y in GROUPS[:2]], study.MONTHS)
    apart = exact.posterior(data, study.followed(), 0.3, 5.0 * one, one)
    own = exact.posterior(alone, study.followed(), 0.3)
    assert apart["mean"] == pytest.approx(own["mean"], abs=0.01)  # external persons inform the SD of levels only
    assert apart["sd"] == pytest.approx(own["sd"], rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["no borrowing", "commensurate", "robust mixture", "pooled"])
def test_the_gridded_posterior_is_that_of_the_package(method):
    from bayesmodels.fitting import NutsSettings, sample
    from bayesmodels.statistics.borrowing import share_used

    own = GROUPS if study.METHODS[method] is not None else GROUPS[:2]
    data = exact.likelihood_of([exact.group_of(y, study.MONTHS) for y in own], study.MONTHS)
    sds, weights = study.sds_of(method) if len(own) == 3 else (None, None)
    expected = exact.posterior(data, study.followed(), 0.3, None if sds is None else study.UNIT * sds, weights)
    pm_model = study.the_model(method).build(study.study_of(GROUPS))
    tree = sample(pm_model, NutsSettings(draws=2000, tune=1000, chains=2, seed=4, progress=False, target_accept=0.95))
    ratio = tree["posterior"]["disease_rate_ratio"].to_numpy()[..., 0].ravel()
    assert 1 - ratio.mean() == pytest.approx(expected["mean"], abs=0.05 * expected["sd"] + 0.005)
    assert ratio.std() == pytest.approx(expected["sd"], rel=0.06)
    assert (ratio < 1).mean() == pytest.approx(expected["above_zero"], abs=0.02)
    if len(own) == 3:
        log_rate = np.log(-tree["posterior"]["reference_rate"].to_numpy().ravel())
        used = share_used(log_rate, log_rate + tree["posterior"]["external_log_rate"].to_numpy().ravel())
        assert used == pytest.approx(expected["share_used"], abs=0.08)


def test_the_page_and_the_table_are_of_the_records(tmp_path):
    spec = study.DeclineSpec(variant="no_effect")
    records = [{"trial": n, "cpu_seconds": 0.1, **study.analyse(spec, n)} for n in range(3)]
    said = study.STUDY.write(records, spec, tmp_path, 3)
    assert "A drug that does nothing is found to help in" in said
    table = study.results(records, spec).tables["characteristics"]
    assert len(table) == 13
    rows = [row for record in records for row in record["rows"] if row["method"] == "pooled" and row["drift"] == 1.0]
    (row,) = table[(table["method"] == "pooled") & (table["drift"] == 1.0)].to_dict("records")
    assert row["helped"] == sum(r["above_zero"] > study.RULE for r in rows)
    assert row["bias"] == pytest.approx(np.mean([r["mean"] for r in rows]))
