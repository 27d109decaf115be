"""The default model of function by hand: a drug that slows decline by a share, skewed rates, means of bounded scores.

alsfrs_r: level + rate (b(t) - e (b(t) - b(t - x_+))), b(t) = (1 - exp(-rho t)) / rho, x_+ = (x - lag)_+; e by stratum
and start group.
"""

from __future__ import annotations

import numpy as np
import pytest
from hand import MONTH, correlation, group_deviation, of_skewed_rate
from hand import basis as additive_basis
from kernels.kernel_designs import shifted_lognormal
from pydantic import ValidationError
from scipy.special import logsumexp
from scipy.stats import halfnorm, kstest, multivariate_normal, norm, spearmanr
from small_study import CURVE_WEEKS, log_likelihood, published, study
from test_priors import close_to

from bayesmodels.errors import BadConfig
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.fitting.prior import prior_draws
from bayesmodels.models.joint_event import JointEventModel
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.models.presets import alsfrs_r, nfl_plasma, replaced
from bayesmodels.models.visits.course_model import Covariates
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.effects import ProportionalSlowing
from bayesmodels.parts.priors import Normal

OUTCOMES = ("nfl_plasma", "alsfrs_r")
RANDOM = ("alsfrs_r:rate", "nfl_plasma:level", "nfl_plasma:rate", "nfl_plasma:effect", "alsfrs_r:level")
COVARIATES = Covariates(level=("age",), rate=("sex",), effect=("age",))
LIMITS = (0.0, 48.0)


def score(**changes):
    """The preset of function, changed."""
    return replaced(alsfrs_r(), changes)


def plausible(pm_model, seed=4) -> dict[str, np.ndarray]:
    """Values of the free variables about where trials lie; scores at both limits are likely late."""
    rng = np.random.default_rng(seed)
    about = {
        "nfl_plasma:level": 4.2, "nfl_plasma:rate": 0.02, "nfl_plasma:effect": -0.5, "nfl_plasma:late_slope": -0.01,
        "alsfrs_r:level": 38.0, "alsfrs_r:rate": -1.1,
    }  # fmt: skip
    sd = {
        "nfl_plasma:level": 0.5, "nfl_plasma:rate": 0.03, "nfl_plasma:effect": 0.3, "alsfrs_r:level": 6.0,
        "alsfrs_r:rate": 0.8,
    }  # fmt: skip
    labels = pm_model.coords["any_term"]
    by_outcome = {"error_sd": {"nfl_plasma": 0.2, "alsfrs_r": 2.0}, "path_sd": {"nfl_plasma": 0.1, "alsfrs_r": 1.2}}
    middle = {
        "term_median": np.array([about[label] for label in labels])[:, None],
        "term_sd_at_median": np.array([sd[label] for label in pm_model.coords["term"]]),
        **{name: np.array([of[k] for k in pm_model.coords["outcome"]]) for name, of in by_outcome.items()},
        "effect_group_sd": 0.2,
        "covariate_slope": np.array([0.1, 0.01, 0.1, 1.5, 0.2]),
        "nfl_plasma_effect_lag": 1.0,
        "nfl_plasma_effect_time_constant": 1.2,
        "nfl_plasma_path_months": 20.0,
        "alsfrs_r_effect_lag": 2.0,
        "alsfrs_r_deceleration": 0.03,
        "alsfrs_r_rate_skewness": 0.8,
        "alsfrs_r_share": 0.7,
        "alsfrs_r_share_slope": 0.2,
    }
    point = {}
    for rv in pm_model.free_RVs:
        shape = tuple(rv.shape.eval()) if rv.ndim else ()
        if rv.name == "partial_correlation":
            point[rv.name] = rng.uniform(0.3, 0.7, shape)
        elif rv.name in middle:
            point[rv.name] = middle[rv.name] * rng.uniform(0.8, 1.2, shape)
        else:
            assert rv.name.endswith("_contrast"), rv.name
            point[rv.name] = rng.normal(size=shape)
    return point


class Built:
    """The default model of a small study, evaluated at one point, and the same by hand."""

    def __init__(self, function, covariates):
        self.model = LongitudinalModel(
            outcomes=(nfl_plasma(), function), covariates=covariates, walk_correlation="independent"
        )
        self.study = study()
        self.pm_model = self.model.build(self.study)
        self.point = plausible(self.pm_model)
        self.published = published(self.pm_model, self.point)
        self.labels = list(self.pm_model.coords["any_term"])
        self.skewness = float(self.point.get("alsfrs_r_rate_skewness", function.rate_skewness))
        row = self.labels.index("alsfrs_r:rate")
        self.mean, self.sd = self.point["term_median"].copy(), self.point["term_sd_at_median"].copy()
        self.mean[row], self.sd[:, 0] = of_skewed_rate(self.point, row, self.skewness)

    @property
    def shares(self):
        """Share by (stratum, start group).

        Two strata's have SD .5, correlation .5, and besides half the variance of two groups; of two groups the first
        lies above the mean by contrast x .15 / sqrt(2).
        """
        one, two = self.point["alsfrs_r_share"]
        variance, common = 0.5**2 + 0.15**2 / 2, 0.5 * 0.5**2
        mean = np.array([np.sqrt(variance) * one, common / np.sqrt(variance) * one])
        mean[1] += np.sqrt(variance - common**2 / variance) * two
        away = 0.15 * self.point["alsfrs_r_share_contrast"] / np.sqrt(2) * [1.0, -1.0]
        return mean[:, None] + away

    def basis(self, outcome, week, start, share):
        found = additive_basis(outcome, self.point, week, start)
        t, x = week / MONTH, (week - start) / MONTH
        if outcome == "nfl_plasma":
            return found | {"late_slope": max(x - 12.0, 0.0)}
        rho, lag = float(self.point["alsfrs_r_deceleration"]), float(self.point["alsfrs_r_effect_lag"])
        untreated = lambda s: (1 - np.exp(-rho * s)) / rho  # noqa: E731
        removed = untreated(t) - untreated(t - max(x - lag, 0.0))
        return {"level": 1.0, "rate": untreated(t) - share * removed}

    def persons(self, covariates=True):
        """Of every person: its row, stratum, start group, mean of every term, share, and what age adds to the share."""
        table, point = self.study.persons.reset_index(drop=True), self.point
        scaled = {c: ((v := table[c].astype(float)) - v.mean()) / v.std(ddof=0) for c in ("age", "sex")}
        used = [(label, c) for label in self.labels for c in getattr(self.model.covariates, label.split(":")[1], ())]
        slopes = dict(zip(used, point.get("covariate_slope", ()), strict=True)) if covariates else {}
        for i, person in table.iterrows():
            s = self.study.stratum_labels.index(person["stratum"])
            g = self.study.start_groups.index(person["start_group"])
            mean = {label: self.mean[p, s] for p, label in enumerate(self.labels)}
            away = group_deviation(point, 0, 0.75)[s, 0] / np.sqrt(2)
            mean["nfl_plasma:effect"] += away * (1.0, -1.0)[g]  # and the same late slope in both start groups
            for (label, c), slope in slopes.items():
                mean[label] += slope * scaled[c][i]
            share = self.shares[s, g]
            by_age = float(point["alsfrs_r_share_slope"][0]) * scaled["age"][i] if slopes else 0.0
            yield person, s, g, mean, share + by_age, by_age

    def log_likelihood(self):
        """Multivariate normal given the skewed term's z, integrated over a dense grid of z."""
        point, r = self.point, correlation(self.point["partial_correlation"])
        z = np.linspace(-9, 9, 6001)
        g = shifted_lognormal(z, self.skewness, -1) if self.skewness else z
        out = []
        for person, s, _, mean, share, _ in self.persons():
            sd, noise, path = self.sd[s], point["error_sd"][s], point["path_sd"][s]
            y, mu, x, k, t = [], [], [], [], []
            for _, visit in self.study.visits[self.study.visits["person"] == person["person"]].iterrows():
                outcome = visit["outcome"]
                found = self.basis(outcome, visit["week"], person["drug_start_week"], share)
                y.append(np.log(visit["value"]) if outcome == "nfl_plasma" else visit["value"])
                mu.append(sum(value * mean[f"{outcome}:{name}"] for name, value in found.items()))
                x.append([found.get(t.split(":")[1], 0.0) if t.startswith(outcome) else 0.0 for t in RANDOM])
                k.append(OUTCOMES.index(outcome))
                t.append(visit["week"] / MONTH)
            y, mu, x, k, t = (np.array(v) for v in (y, mu, x, k, t))
            tau = float(point["nfl_plasma_path_months"])
            walked = np.where(k == 0, tau / 2 * (1 - np.exp(-2 * t / tau)), t)  # steps of NfL shrink by exp(-t / tau)
            walk = (k[:, None] == k) * path[k] ** 2 * np.minimum.outer(walked, walked)
            errors = np.diag(noise[k] ** 2) + walk
            if self.skewness == 0:
                covariance = sd[:, None] * r * sd
                out.append(multivariate_normal(mu, x @ covariance @ x.T + errors).logpdf(y))
                continue
            rest = sd[1:, None] * (r[1:, 1:] - np.outer(r[1:, 0], r[0, 1:])) * sd[1:]
            root = np.linalg.cholesky(x[:, 1:] @ rest @ x[:, 1:].T + errors)
            left = (y - mu)[:, None] - np.outer(x[:, 0] * sd[0], g) - np.outer(x[:, 1:] @ (sd[1:] * r[1:, 0]), z)
            white = np.linalg.solve(root, left)
            density = -0.5 * (white**2).sum(axis=0) - np.log(np.diag(root)).sum() - len(y) / 2 * np.log(2 * np.pi)
            out.append(logsumexp(density + norm.logpdf(z)) + np.log(z[1] - z[0]))
        return np.array(out)

    def means(self, week, limits=LIMITS):
        """Mean score by (start group, stratum, `all` last): low + integral of P(Y > y) over the scale, of every person.

        Without limits: the latent mean, of a person at the mean of the covariates.
        """
        point, r, z = self.point, correlation(self.point["partial_correlation"]), np.linspace(-8, 8, 401)
        g = shifted_lognormal(z, self.skewness, -1) if self.skewness else z
        weight, (node, share_of_y) = norm.pdf(z) * (z[1] - z[0]), np.polynomial.legendre.leggauss(120)
        y, half = LIMITS[0] + (LIMITS[1] - LIMITS[0]) / 2 * (node + 1), (LIMITS[1] - LIMITS[0]) / 2
        level = RANDOM.index("alsfrs_r:level")
        out = np.zeros((2, 2))
        people = list(self.persons(covariates=limits is not None))
        sizes = np.array([sum(one[1] == s for one in people) for s in (0, 1)])
        for start_group, start in enumerate((0.0, 28.0)):
            for _, s, _, mean, _, by_age in people:
                found = self.basis("alsfrs_r", week, start, self.shares[s, start_group] + by_age)
                average = found["level"] * mean["alsfrs_r:level"] + found["rate"] * mean["alsfrs_r:rate"]
                if limits is None:
                    out[start_group, s] += average / sizes[s]
                    continue
                sd = self.sd[s]
                onto = r[0, level]
                m = average + found["rate"] * sd[0] * g + sd[level] * onto * z
                spread = np.sqrt(sd[level] ** 2 * (1 - onto**2) + point["path_sd"][s, 1] ** 2 * week / MONTH)
                above = norm.sf((y[:, None] - m) / spread) @ weight
                out[start_group, s] += (limits[0] + half * share_of_y @ above) / sizes[s]
        return np.concatenate([out, (out * sizes).sum(axis=1, keepdims=True) / sizes.sum()], axis=1)


CASES = {
    "no skewness": (score(rate_skewness=0.0), COVARIATES),
    "skewed": (score(), COVARIATES),
    "very skewed, without covariates": (score(rate_skewness=1.3), Covariates()),
}


@pytest.fixture(scope="module")
def built():
    cache: dict[str, Built] = {}

    def get(name):
        if name not in cache:
            cache[name] = Built(*CASES[name])
        return cache[name]

    return get


@pytest.mark.parametrize("name", CASES)
def test_log_likelihood_is_the_integral_over_the_skewed_rate(built, name):
    b = built(name)
    assert tuple(b.pm_model.coords["term"]) == RANDOM  # the skewed rate comes first
    close = {"rtol": 1e-9} if b.skewness == 0 else {"rtol": 0, "atol": 1e-6}
    np.testing.assert_allclose(log_likelihood(b.pm_model, b.point), b.log_likelihood(), **close)


@pytest.mark.parametrize("name", CASES)
def test_curves_are_means_of_bounded_scores_beside_latent_ones(built, name):
    b = built(name)
    bounded, latent = (np.stack([b.means(week, limits) for week in CURVE_WEEKS], axis=-1) for limits in (LIMITS, None))
    for prefix, expected in (("", bounded), ("latent_", latent)):
        np.testing.assert_allclose(b.published[f"{prefix}curve"][1], expected, rtol=2e-6)
        np.testing.assert_allclose(b.published[f"{prefix}curve_change"][1], expected - expected[..., :1], atol=1e-4)
        np.testing.assert_allclose(b.published[f"{prefix}difference"][1, 0], expected[0] - expected[1], atol=1e-4)
        periods = np.stack([expected[..., 2] - expected[..., 0], expected[..., 4] - expected[..., 2],
                            expected[..., 4] - expected[..., 3]], axis=-1)  # fmt: skip
        rates = periods / (np.array([28.0, 76.0, 52.0]) / MONTH)
        np.testing.assert_allclose(b.published[f"{prefix}period_rate"][1], rates, atol=2e-5)
    assert np.abs(bounded - latent)[..., -1].max() > 0.5  # the limits matter
    assert np.isnan(b.published["latent_curve"][0]).all()  # an outcome without limits has one mean


def test_means_at_the_nominal_visits_are_the_curves(built):
    b = built("skewed")
    visits = [float(week) for week in b.pm_model.coords["visit_week"]]
    both = [(w, v) for w, week in enumerate(CURVE_WEEKS) for v, visit in enumerate(visits) if week == visit]
    assert len(both) > 1
    for w, v in both:
        np.testing.assert_allclose(b.published["visit_mean"][..., v], b.published["curve"][..., w], rtol=1e-9)


def test_shares_are_published_by_stratum_and_start_group(built):
    b = built("skewed")
    np.testing.assert_allclose(b.published["group_drug_effect"][1, :2], b.shares, rtol=1e-12)
    for name in ("drug_effect", "proportional_slowing"):
        np.testing.assert_allclose(b.published[name][1], [*b.shares.mean(axis=1), np.nan], rtol=1e-12)
    assert np.isnan(b.published["proportional_slowing"][0]).all()
    assert np.isfinite(b.published["drug_effect"][0, :2]).all()
    assert tuple(b.pm_model.coords["outcome:effect_unit"]) == ("ln", "proportion")
    assert "alsfrs_r:effect" not in b.labels
    np.testing.assert_allclose(b.published["covariate_effect"][1], [b.point["alsfrs_r_share_slope"][0], np.nan])


def test_correlations_with_the_skewed_rate_are_pearsons(built):
    """Of u = sd g(z): E[g(z) z] = k / sqrt(exp(k^2) - 1), here by quadrature."""
    b = built("very skewed, without covariates")
    z = np.linspace(-9, 9, 4001)
    along = (-shifted_lognormal(z, 1.3, -1) * -z * norm.pdf(z)).sum() * (z[1] - z[0])
    expected = correlation(b.point["partial_correlation"])
    expected[0, 1:] *= along
    expected[1:, 0] *= along
    np.testing.assert_allclose(b.published["person_correlation"], expected, atol=1e-9)
    assert 0.5 < along < 0.9
    np.testing.assert_array_equal(b.published["rate_skewness"], [np.nan, 1.3])


def test_what_a_persons_rate_adds_at_the_visits_is_slowed_by_the_groups_share(built):
    b = built("skewed")
    sizes = b.study.persons["stratum"].value_counts()[list(b.study.stratum_labels)].to_numpy()
    for v, week in enumerate(b.pm_model.coords["visit_week"]):
        for g, start in enumerate((0.0, 28.0)):
            expected = [b.basis("alsfrs_r", week, start, b.shares[s, g])["rate"] for s in (0, 1)]
            expected.append(np.average(expected, weights=sizes))
            np.testing.assert_allclose(b.published["person_basis"][1, 0, g, :, v], expected, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(b.published["person_basis"][0, 0, g, :, v], 0.0)


def test_without_skewness_and_share_it_is_the_model_without_an_effect():
    """One outcome with two random terms; with a skewed rate the rate comes first."""
    data = study()
    slowed = LongitudinalModel(outcomes=(score(rate_skewness=0.0),), pooling="complete").build(data)
    plain = LongitudinalModel(outcomes=(score(rate_skewness=None, effect="none"),)).build(data)
    point = plausible(slowed)
    nothing = point | {name: 0 * value for name, value in point.items() if "share" in name}
    renamed = {"term_mean": point["term_median"], "term_sd": point["term_sd_at_median"][:, ::-1]}
    without = {rv.name: (point | renamed)[rv.name] for rv in plain.free_RVs}
    np.testing.assert_allclose(log_likelihood(slowed, nothing), log_likelihood(plain, without), rtol=1e-10)
    found, expected = published(slowed, nothing), published(plain, without)
    np.testing.assert_allclose(found["latent_curve"], expected["latent_curve"], rtol=1e-10)
    np.testing.assert_allclose(found["curve"], expected["curve"], rtol=1e-8)  # over nodes of z, and in closed form
    assert np.abs(log_likelihood(slowed, point) - log_likelihood(slowed, nothing)).max() > 0.01


def test_a_little_skewness_is_nearly_none(built):
    b, one = built("no skewness"), []
    for k in (0.0, 1e-4):
        one.append(
            log_likelihood(
                replaced(b.model, {"outcomes": (nfl_plasma(), score(rate_skewness=k))}).build(b.study), b.point
            )
        )
    np.testing.assert_allclose(one[0], b.log_likelihood(), rtol=1e-9)
    np.testing.assert_allclose(one[0], one[1], atol=0.01)
    assert (one[0] != one[1]).any()


def test_priors_of_a_skewed_rate_are_those_stated_though_others_are_sampled():
    """Mean ~ Normal(-1, .5^2), SD ~ HalfNormal(1), skewness ~ HalfNormal(.8), independent."""
    prior = prior_draws(LongitudinalModel(outcomes=(score(),)).build(study(strata=False)), seed=3, draws=4000)
    mean = prior["population_rate"].to_numpy().ravel()
    sd = prior["person_sd"].sel(term="alsfrs_r:rate").to_numpy().ravel()
    skewness = prior["rate_skewness"].to_numpy().ravel()
    assert kstest(mean, norm(-1.0, 0.5).cdf).pvalue > 0.001
    assert kstest(sd, halfnorm(scale=1.0).cdf).pvalue > 0.001
    assert kstest(skewness, halfnorm(scale=0.8).cdf).pvalue > 0.001
    between = spearmanr(np.stack([mean, sd, skewness], axis=1)).statistic
    np.testing.assert_allclose(between, np.eye(3), rtol=0, atol=4.0 / np.sqrt(4000))


def test_prior_of_the_contrast_of_two_groups_is_a_normal_scaled_by_their_sd():
    pm_model = LongitudinalModel(outcomes=(nfl_plasma(),)).build(study(strata=False))
    prior = prior_draws(pm_model, seed=3, draws=4000)
    groups = prior["group_drug_effect"].to_numpy().reshape(4000, 2)
    sd = prior["group_effect_sd"].to_numpy().ravel()
    z = (groups[:, 0] - groups[:, 1]) / np.sqrt(2) / sd
    assert kstest(z, norm.cdf).pvalue > 0.001
    assert kstest(sd, halfnorm(scale=0.75 / 2).cdf).pvalue > 0.001
    assert abs(spearmanr(np.abs(z), sd).statistic) < 4.0 / np.sqrt(4000)


@pytest.mark.parametrize("pooling", ["partial", "complete", "none"])
def test_prior_of_the_shares(pooling):
    """A stratum's share: SD .5, correlation .5, benefit as likely as harm; a start group's about it: SD .15."""
    function = LongitudinalModel(outcomes=(score(),), pooling=pooling, covariates={"effect": ("age",)})
    draws = 1500
    prior = prior_draws(function.build(study()), seed=2, draws=draws)
    shares = prior["group_drug_effect"].to_numpy().reshape(draws, 3, 2)[:, :2]
    between = 0.15**2 if pooling == "partial" else 0.0
    for s, g in np.ndindex(2, 2):
        close_to(shares[:, s, g], np.sqrt(0.25 + between))
    for g, h in np.ndindex(2, 2):
        assert np.corrcoef(shares[:, 0, g], shares[:, 1, h])[0, 1] == pytest.approx(
            0.125 / (0.25 + between), abs=4.5 * 0.75 / np.sqrt(draws)
        )
    gap = shares[:, :, 0] - shares[:, :, 1]
    if pooling == "complete":
        np.testing.assert_allclose(gap, 0.0, atol=1e-12)
    else:
        expected = 0.15 * np.sqrt(2) if pooling == "partial" else 0.5  # none: each group has a part of its own, SD .354
        close_to(gap.ravel(), expected)
    published_share = prior["proportional_slowing"].to_numpy().reshape(draws, 3)[:, :2]
    np.testing.assert_allclose(published_share, shares.mean(axis=2), rtol=1e-9)
    benefit = (published_share > 0).mean(axis=0)
    np.testing.assert_allclose(benefit, 0.5, atol=4.5 * 0.5 / np.sqrt(draws))
    close_to(prior["covariate_effect"].to_numpy().ravel(), 0.25)


def test_shares_of_one_stratum_and_of_a_group_that_never_starts():
    data = study(strata=False, groups=(("early", 0.0), ("middle", 12.0), ("never", np.nan)))
    pm_model = LongitudinalModel(outcomes=(score(rate_skewness=0.0),)).build(data)
    point = plausible(pm_model)
    found = published(pm_model, point)
    mean = np.sqrt(0.5**2 + 0.15**2 / 2) * point["alsfrs_r_share"][0]
    away = 0.15 * point["alsfrs_r_share_contrast"][0, 0] / np.sqrt(2)
    np.testing.assert_allclose(found["group_drug_effect"][0, 0], [mean + away, mean - away, np.nan], rtol=1e-12)
    level, rate = point["term_median"][:2, 0]
    rho = point["alsfrs_r_deceleration"]
    at = np.array(CURVE_WEEKS) / MONTH
    untreated = level + rate * (1 - np.exp(-rho * at)) / rho
    np.testing.assert_allclose(found["latent_curve"][0, 2, 0], untreated, rtol=1e-10)
    assert (found["latent_curve"][0, 0, 0, 1:] != untreated[1:]).all()


def test_a_study_without_the_drug_has_no_share():
    pm_model = LongitudinalModel(outcomes=(score(),)).build(study(groups=(("cohort", np.nan),), strata=False))
    assert not [rv.name for rv in pm_model.free_RVs if "share" in rv.name]
    assert "proportional_slowing" not in pm_model.named_vars


def test_a_rate_that_may_go_either_way_is_refused_with_remedies_that_work():
    unsigned = {"preset": "hhd", "effect": {"type": "proportional_slowing"}}
    data = study(edit=lambda persons, visits: visits.replace({"outcome": {"alsfrs_r": "hhd"}}, inplace=True))
    with pytest.raises(BadConfig) as caught:
        LongitudinalModel(outcomes=(unsigned,)).build(data)
    text = str(caught.value)
    assert "outcome hhd: effect proportional_slowing needs a rate whose prior has a sign" in text
    assert "Normal(0, 0.06)" in text
    assert 'rate = {type = "normal", mean = ..., sd = ...}' in text
    assert '"slope_change"' in text
    signed = {"rate": {"type": "normal", "mean": -0.03, "sd": 0.015}}
    for remedy in (signed, {"effect": {"type": "slope_change"}}):
        LongitudinalModel(outcomes=(unsigned | remedy,)).build(data)
    by_stratum = {k: Normal(mean=m, sd=0.5) for k, m in (("faster", -1.0), ("slower", -0.2))}
    with pytest.raises(BadConfig, match="needs a rate whose prior has a sign"):
        LongitudinalModel(outcomes=(score(rate=by_stratum),)).build(study())


def test_two_skewed_rates_are_refused_where_one_is_integrated():
    both = ({"preset": "nfl_plasma", "rate_skewness": 0.3}, "alsfrs_r")
    with pytest.raises(
        ValidationError, match="rate_skewness in one outcome at most, got nfl_plasma, alsfrs_r; drop it"
    ):
        LongitudinalModel(outcomes=both)
    with pytest.raises(ValidationError, match="rate_skewness in one outcome at most"):
        JointEventModel(outcomes=both, events=(Event(name="death"),))
    with pytest.raises(ValidationError, match="rate_skewness"):
        LongitudinalModel(outcomes=({"preset": "alsfrs_r", "rate_skewness": -0.1},))


def test_lags_taken_as_known_and_other_sds_of_start_groups():
    effect = ProportionalSlowing(lag=3.0, group_sd=0.0, correlation=1.0)
    pm_model = LongitudinalModel(outcomes=(score(rate_skewness=0.0, effect=effect),)).build(study())
    assert [rv.name for rv in pm_model.free_RVs if "share" in rv.name] == ["alsfrs_r_share"]
    found = published(pm_model, plausible(pm_model))
    np.testing.assert_array_equal(found["effect_lag"], [3.0])
    shares = found["group_drug_effect"][0, :2]
    np.testing.assert_array_equal(shares[:, 0], shares[:, 1])
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-5)


def test_gradient_is_that_of_central_differences(built):
    pm_model = built("skewed").pm_model
    logp = pm_model.compile_fn(pm_model.logp(), mode=python_mode())
    gradient = pm_model.compile_fn(pm_model.dlogp(), mode=python_mode())
    point = pm_model.initial_point(random_seed=0)
    rng = np.random.default_rng(10)
    point = {name: value + 0.1 * rng.normal(size=np.shape(value)) for name, value in point.items()}
    flat, position = gradient(point), 0
    for variable in pm_model.value_vars:
        value = np.asarray(point[variable.name], float)
        for element in np.ndindex(*value.shape):
            ends = []
            for step in (-2, -1, 1, 2):
                moved = value.copy()
                moved[element] += 1e-4 * step
                ends.append(float(logp(point | {variable.name: moved})))
            expected = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / 12e-4
            at = position + int(np.ravel_multi_index(element, value.shape)) if value.shape else position
            assert flat[at] == pytest.approx(expected, rel=1e-5, abs=1e-4), (variable.name, element)
        position += value.size
    assert position == len(flat)
