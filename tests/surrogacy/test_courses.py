"""Persons' courses against persons drawn one by one, individual-level measures against hand calculation."""

import numpy as np
import pytest
import xarray as xr
from fake_persons import GROUPS, MONTH, SD, TERMS, VISITS, basis_of, correlation_of, persons_posterior
from scipy.integrate import solve_ivp
from scipy.linalg import sqrtm

from bayesmodels.errors import BadInput, MissingVariable
from bayesmodels.posterior.context import read_context
from bayesmodels.posterior.observed import observed_persons
from bayesmodels.surrogacy.criteria.arms import Arms
from bayesmodels.surrogacy.criteria.courses import read_courses
from bayesmodels.surrogacy.criteria.individual import (
    prediction_table,
    slope_r2,
    term_association,
    vector_association,
    visit_association,
)
from bayesmodels.surrogacy.criteria.mediation import exposure_arms, integral, lagged, mediation_curve

PAIR = ("nfl_plasma", "alsfrs_r")


@pytest.fixture(scope="module")
def tree():
    return persons_posterior()


@pytest.fixture(scope="module")
def context(tree):
    return read_context(tree)


@pytest.fixture(scope="module")
def courses(tree, context):
    return read_courses(tree, context, observed_persons(tree, context.data))


@pytest.fixture(scope="module")
def crowd():
    """300,000 persons' terms."""
    rng = np.random.default_rng(3)
    factor = np.linalg.cholesky(correlation_of(-0.9) * SD[:, None] * SD)
    return rng.standard_normal((300_000, len(TERMS))) @ factor.T, rng


def test_arms_are_those_of_persons_drawn_one_by_one(courses, context, crowd):
    terms, rng = crowd
    contrast = context.contrasts[0]
    changes = {}
    for group in GROUPS:
        basis = basis_of(group)
        s, t = (basis[k][:, list(VISITS).index(week)] - basis[k][:, 0] for k, week in ((0, 20.0), (1, 28.0)))
        changes[group] = np.stack([terms @ s, terms @ t], axis=1)
    latent = courses.arms(*PAIR, 20.0, 28.0, contrast)
    for arm, group in enumerate(("delayed", "early")):
        expected = np.cov(changes[group].T)
        np.testing.assert_allclose(np.median(latent.covariance[:, arm], axis=0), expected, rtol=0.02, atol=1e-3)
    both = np.cov(np.concatenate([changes["delayed"], changes["early"]], axis=1).T)[:2, 2:]
    np.testing.assert_allclose(np.median(latent.cross, axis=0), both, rtol=0.02, atol=3e-3)  # 4 Monte Carlo errors
    assert latent.share == pytest.approx([36 / 108, 72 / 108])
    assert np.median(latent.alpha) == pytest.approx(-0.8, abs=1e-3)
    assert np.median(latent.beta) == pytest.approx(0.2 * 28 / MONTH, abs=1e-3)
    noisy = changes["early"] + rng.normal(size=(len(terms), 2)) * np.sqrt(2) * [0.1, 1.5]
    seen = courses.arms(*PAIR, 20.0, 28.0, contrast, observed=True)
    np.testing.assert_allclose(np.median(seen.covariance[:, 1], axis=0), np.cov(noisy.T), rtol=0.02, atol=1e-3)
    assert seen.cross is None
    with pytest.raises(BadInput, match=r"expected a week of a visit \(0, 4, 12, 20, 28, 52, 100\), got 30"):
        courses.arms(*PAIR, 30.0, 28.0, contrast)


def test_slope_r2_is_that_of_a_regression_on_persons(courses, crowd):
    terms, _ = crowd
    for key, columns in {"level": [0], "effect": [2], "level + rate + effect": [0, 1, 2]}.items():
        x = np.column_stack([np.ones(len(terms)), terms[:, columns]])
        left = terms[:, 4] - x @ np.linalg.lstsq(x, terms[:, 4])[0]
        expected = 1 - left.var() / terms[:, 4].var()
        assert np.median(slope_r2(courses, *PAIR)[key]) == pytest.approx(expected, abs=0.01)


def random_covariances(n, draws=40, seed=1):
    factors = np.random.default_rng(seed).normal(size=(draws, n, n + 1))
    return factors @ np.swapaxes(factors, 1, 2)


def test_r2_lambda_is_r2_with_one_term_each():
    sigma = random_covariances(2)
    found = vector_association(sigma, 1)
    r2 = sigma[:, 0, 1] ** 2 / (sigma[:, 0, 0] * sigma[:, 1, 1])
    for value in (found.r2_lambda, found.variance_reduction, found.part):
        np.testing.assert_allclose(value, r2, rtol=1e-9)


def test_vector_measures_against_canonical_correlations():
    sigma = random_covariances(7)
    found = vector_association(sigma, 3)
    for d in range(5):
        root_s, root_t = (np.linalg.inv(sqrtm(block).real) for block in (sigma[d, :3, :3], sigma[d, 3:, 3:]))
        rho = np.linalg.svd(root_s @ sigma[d, :3, 3:] @ root_t)[1]
        assert found.r2_lambda[d] == pytest.approx(1 - np.prod(1 - rho**2), rel=1e-7)
        assert found.part[d] == pytest.approx((rho**2).sum() / 4, rel=1e-7)
        left = sigma[d, 3:, 3:] - sigma[d, 3:, :3] @ np.linalg.inv(sigma[d, :3, :3]) @ sigma[d, :3, 3:]
        expected = 1 - np.trace(left) / np.trace(sigma[d, 3:, 3:])
        assert found.variance_reduction[d] == pytest.approx(expected, rel=1e-9)
    for value in (found.r2_lambda, found.variance_reduction, found.part):
        assert ((value >= 0) & (value <= 1)).all()
    assert (found.part <= found.r2_lambda).all()


def test_vector_measures_at_their_bounds():
    s = random_covariances(2)[:, :2, :2]
    noise = 1e-8 * np.eye(2)
    same = np.block([[s, s], [s, s + noise]])
    full = vector_association(same, 2)
    np.testing.assert_allclose([full.part, full.variance_reduction, full.r2_lambda], 1.0, atol=1e-6)
    apart = np.block([[s, 0 * s], [0 * s, s]])
    none = vector_association(apart, 2)
    np.testing.assert_allclose([none.part, none.variance_reduction, none.r2_lambda], 0.0, atol=1e-9)
    one = np.zeros((1, 4, 4)) + np.eye(4)
    one[0, 0, 2] = one[0, 2, 0] = 1 - 1e-9  # one canonical correlation of 1: R2_Lambda is 1, PART half
    assert vector_association(one, 2).r2_lambda[0] == pytest.approx(1.0, abs=1e-6)
    assert vector_association(one, 2).part[0] == pytest.approx(0.5, abs=1e-6)


def test_measures_at_the_visits_are_those_of_persons_drawn_one_by_one(courses, crowd):
    terms, rng = crowd
    weeks = VISITS[:4]
    expected = np.zeros(3)
    for group, share in (("early", 72 / 108), ("delayed", 36 / 108)):
        basis = basis_of(group)[..., :4]
        values = np.concatenate([terms @ basis[0], terms @ basis[1]], axis=1)
        values += rng.normal(size=values.shape) * np.repeat([0.1, 1.5], 4)
        found = vector_association(np.cov(values.T)[None], 4)
        expected += share * np.array([v[0] for v in (found.r2_lambda, found.variance_reduction, found.part)])
    found = visit_association(courses, *PAIR, dict.fromkeys(GROUPS, weeks), observed=True)
    medians = [np.median(v) for v in (found.r2_lambda, found.variance_reduction, found.part)]
    np.testing.assert_allclose(medians, expected, rtol=0.03, atol=2e-3)
    true = visit_association(courses, *PAIR, dict.fromkeys(GROUPS, weeks), observed=False)
    assert np.isnan(true.r2_lambda).all()
    assert np.median(true.variance_reduction) > medians[1]
    assert np.median(term_association(courses, *PAIR).r2_lambda) > medians[0]


def test_prediction_of_a_new_person_is_the_normal_regression():
    sigma = np.array([[0.09, -0.3], [-0.3, 4.0]])
    mean = np.array([[0.0, -6.0], [-0.8, -4.0]])
    arms = Arms(
        np.broadcast_to(mean, (20_000, 2, 2)), np.broadcast_to(sigma, (20_000, 2, 2, 2)), np.array([0.5, 0.5]),
        np.array([-1.0, 1.0]),
    )  # fmt: skip
    row = prediction_table(arms, np.array([-1.1]), 6.0, 0.95).iloc[0]
    expected = (-4.0 + (-0.3 / 0.09) * (-1.1 + 0.8)) / 6
    sd = np.sqrt(4.0 - 0.3**2 / 0.09) / 6
    assert row["expected_median"] == pytest.approx(expected)
    assert (row["lower"], row["upper"]) == pytest.approx((expected - 1.96 * sd, expected + 1.96 * sd), abs=0.02)


@pytest.mark.parametrize("lag", [0.0, 1.5])
def test_the_indirect_effect_solves_the_differential_equation(lag):
    """dT/dt = b0 + bZ Z + g m(t - lag) for two courses of m; NIE is the difference m makes, NDE the rest."""
    g, b_z, end = 0.4, 0.15, 8.0

    def course(z):
        return lambda t: -0.8 * z * (1 - np.exp(-max(t, 0.0) / 1.2)) + 0.01 * max(t, 0.0)

    def outcome(z, m):
        return solve_ivp(lambda t, y: [-1 + b_z * z + g * m(t - lag)], (0, end), [0.0], rtol=1e-10, max_step=0.02).y[
            0, -1
        ]

    indirect = outcome(1, course(1)) - outcome(1, course(0))
    direct = outcome(1, course(0)) - outcome(0, course(0))
    months = np.linspace(0, end, 801)
    gap = np.array([course(1)(t) - course(0)(t) for t in months])
    found = g * integral(lagged(gap[None], months, months - lag), months)[0]
    assert found == pytest.approx(indirect, rel=2e-4)
    assert outcome(1, course(1)) - outcome(0, course(0)) == pytest.approx(indirect + direct)
    assert direct == pytest.approx(b_z * end)


def test_the_integral_runs_over_the_outcomes_clock():
    months = np.linspace(0, 10, 2001)
    clock = (1 - np.exp(-0.1 * months)) / 0.1
    exact = solve_ivp(lambda t, y: [np.sin(t) * np.exp(-0.1 * t)], (0, 10), [0.0], rtol=1e-10).y[0, -1]
    assert integral(np.sin(months)[None], clock[None])[0] == pytest.approx(exact, abs=1e-5)


def test_mediation_of_a_fit_against_persons_drawn_one_by_one(courses, context, crowd):
    """The gain is the slope, within arms and given both levels, of the change on the area under NfL's change."""
    terms, _ = crowd
    contrast = context.contrasts[0]
    months = VISITS[:5] / MONTH
    columns, shares = [], {"early": 72 / 108, "delayed": 36 / 108}
    pooled = 0.0
    for group, share in shares.items():
        basis = basis_of(group)[..., :5]
        nfl = terms @ (basis[0] - basis[0][:, :1])
        area = ((nfl[:, 1:] + nfl[:, :-1]) / 2 * np.diff(months)).sum(axis=1)
        change = terms @ (basis[1][:, -1] - basis[1][:, 0])
        columns = np.stack([area, change, terms[:, 0], terms[:, 3]], axis=1)
        pooled = pooled + share * np.cov(columns.T)
    predictors = [0, 2, 3]
    gain = np.linalg.solve(pooled[np.ix_(predictors, predictors)], pooled[predictors, 1])[0]
    arms = exposure_arms(courses, *PAIR, 28.0, contrast)
    assert np.median(arms.gamma) == pytest.approx(gain, rel=0.02)
    early, late = (basis_of(group)[0, 2, :5] * -0.8 for group in ("early", "delayed"))
    gap = early - late
    area = ((gap[1:] + gap[:-1]) / 2 * np.diff(months)).sum()
    assert np.median(arms.alpha) == pytest.approx(area, rel=1e-3)
    table = mediation_curve(courses, *PAIR, contrast, arms.gamma, 0.0, VISITS[1:], 0.95).set_index("week")
    assert table.loc[28.0, "indirect_median"] == pytest.approx(gain * area, rel=0.03)
    assert table.loc[28.0, "total_median"] == pytest.approx(0.2 * months[-1], rel=1e-3)
    follows = mediation_curve(courses, *PAIR, contrast, None, 0.0, VISITS[1:], 0.95)
    assert (follows["direct_median"] == 0).all()
    assert (follows["share_median"] == 1).all()


def test_a_posterior_without_persons_courses_says_what_is_missing(tree, context):
    observed = observed_persons(tree, context.data)
    bare = tree.copy()
    bare["posterior"] = bare["posterior"].to_dataset().drop_vars("person_basis")
    with pytest.raises(MissingVariable, match="no variable 'person_basis'"):
        read_courses(bare, context, observed)


def test_a_brownian_path_is_part_of_the_true_course(tree, context, courses):
    """Cov of a path's changes to s and t is sigma^2 min(s, t); the same path under both arms cancels in the effects."""
    random_walks = persons_posterior()
    posterior = random_walks["posterior"].to_dataset()
    sd = xr.full_like(posterior["residual_sd"], np.nan)
    sd.loc[{"outcome": "alsfrs_r", "stratum": ["faster", "slower"]}] = 0.7
    random_walks["posterior"] = posterior.assign(random_walk_sd=sd)
    found = read_courses(random_walks, context, observed_persons(random_walks, context.data))
    contrast = context.contrasts[0]
    for week in (4.0, 28.0):
        still, path = (c.arms(*PAIR, 12.0, week, contrast) for c in (courses, found))
        more = path.covariance - still.covariance
        np.testing.assert_allclose(more[:, :, 1, 1], 0.7**2 * week / MONTH, rtol=1e-9)
        np.testing.assert_allclose(more[:, :, 0], 0.0, atol=1e-12)
        np.testing.assert_allclose((path.cross - still.cross)[:, 1, 1], 0.7**2 * week / MONTH, rtol=1e-9)
    two = found.change("alsfrs_r", 12.0), found.change("alsfrs_r", 28.0)
    straight = courses.change("alsfrs_r", 12.0), courses.change("alsfrs_r", 28.0)
    gap = found.between(*two) - courses.between(*straight)
    np.testing.assert_allclose(gap, 0.7**2 * 12 / MONTH, rtol=1e-9)
    assert found.terms == courses.terms
    for key, value in slope_r2(found, *PAIR).items():
        np.testing.assert_allclose(value, slope_r2(courses, *PAIR)[key])


def test_paths_of_two_outcomes_go_together(tree, context, courses):
    """Cov of two paths' changes to s and t: rho sd_1 sd_2 times the integral of exp(-u / 5) up to the earlier."""
    together = persons_posterior()
    posterior = together["posterior"].to_dataset()
    sd = xr.full_like(posterior["residual_sd"], np.nan)
    sd.loc[{"outcome": "alsfrs_r", "stratum": ["faster", "slower"]}] = 0.7
    sd.loc[{"outcome": "nfl_plasma", "stratum": "faster"}] = 0.2
    sd.loc[{"outcome": "nfl_plasma", "stratum": "slower"}] = 0.4
    one = xr.full_like(posterior["residual_sd"].isel(stratum=0, drop=True), np.nan)
    constant = one.copy()
    constant.loc[{"outcome": "nfl_plasma"}] = 5.0
    correlation = one.expand_dims(outcome_other=posterior["outcome"].to_numpy()).copy()
    correlation[:] = -0.6
    for outcome in correlation["outcome"].to_numpy():
        correlation.loc[{"outcome": outcome, "outcome_other": outcome}] = 1.0
    together["posterior"] = posterior.assign(
        random_walk_sd=sd, walk_correlation=correlation, random_walk_time_constant=constant
    )
    observed = observed_persons(together, context.data)
    found = read_courses(together, context, observed)
    contrast = context.contrasts[0]
    counted = [observed.at_start("nfl_plasma", "early", s) + observed.at_start("nfl_plasma", "delayed", s)
               for s in ("faster", "slower")]  # fmt: skip
    share = np.array(counted) / sum(counted)
    nfl = share @ [0.2, 0.4]
    for first, second in ((12.0, 28.0), (28.0, 12.0)):
        still, path = (c.arms(*PAIR, first, second, contrast) for c in (courses, found))
        more = path.covariance - still.covariance
        month = min(first, second) / MONTH
        expected = -0.6 * 0.7 * nfl * 5.0 * (1 - np.exp(-month / 5.0))
        np.testing.assert_allclose(more[:, :, 0, 1], expected, rtol=1e-9)
        own = share @ [0.2**2, 0.4**2] * 2.5 * (1 - np.exp(-first / MONTH / 2.5))
        np.testing.assert_allclose(more[:, :, 0, 0], own, rtol=1e-9)
        np.testing.assert_allclose(more[:, :, 1, 1], 0.7**2 * second / MONTH, rtol=1e-9)


def test_where_weights_differ_between_strata_variances_are_averages_of_theirs(tree, context):
    """A drug that removes another share of the decline in each stratum: the rate's weight differs by stratum."""
    kept = {"faster": 0.6, "slower": 0.9}
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    own = groups["posterior"]
    for stratum, share in kept.items():
        where = (own["stratum"] == stratum) & (own["term"] == "alsfrs_r:rate") & (own["start_group"] == "early")
        own = own.assign(person_basis=xr.where(where, share * own["person_basis"], own["person_basis"]))
    changed = xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups, "posterior": own})
    found = read_courses(changed, context, observed_persons(changed, context.data))
    change = found.change("alsfrs_r", 52.0)
    both = np.einsum("dgp,dpq,dgq->dg", change, found.covariance, change)
    drawn = own.isel(chain=0, draw=0)
    sd = drawn["person_sd"].sel(stratum="faster").to_numpy()
    covariance = drawn["person_correlation"].to_numpy() * np.outer(sd, sd)
    expected = 0.0
    for stratum, weight in (("faster", 60 / 108), ("slower", 48 / 108)):
        basis = drawn["person_basis"].sel(outcome="alsfrs_r", start_group="early", stratum=stratum).to_numpy()
        step = basis[:, list(VISITS).index(52.0)] - basis[:, 0]
        expected += weight * step @ covariance @ step
    assert both[0, found.groups.index("early")] == pytest.approx(expected, rel=1e-9)
    assert term_association(found, *PAIR).r2_lambda[0] == pytest.approx(
        term_association(read_courses(tree, context, observed_persons(tree, context.data)), *PAIR).r2_lambda[0],
        rel=1e-12,
    )
