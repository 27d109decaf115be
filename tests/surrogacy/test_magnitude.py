"""What a reduction implies, on every level: closed forms, quadrature, the model's own numerics, hand calculation."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake import GAIN, MONTH, fake_posterior, part_of
from fake_events import with_events
from fake_persons import persons_posterior
from scipy import integrate, optimize, stats

from bayesmodels.models.published_means.courses import courses_of
from bayesmodels.models.published_means.layout import NEVER, Cells
from bayesmodels.models.published_means.presets import valor_alsfrs_r, valor_nfl
from bayesmodels.posterior.context import read_context
from bayesmodels.posterior.observed import observed_persons
from bayesmodels.surrogacy.evidence import surrogate_evidence
from bayesmodels.surrogacy.magnitude.levels import link_draws, magnitude_of_fit, magnitude_of_trials
from bayesmodels.surrogacy.magnitude.link import LinkDraws
from bayesmodels.surrogacy.magnitude.reported import ReportedEffects
from bayesmodels.surrogacy.magnitude.result import DrawnEffect, smallest_reduction
from bayesmodels.surrogacy.settings import SurrogacySettings
from bayesmodels.surrogacy.trial_level.draws import TrialDraws

Z = stats.norm.ppf(0.975)


def certain(mean_s=-0.3, mean_t=0.2, sd_s=0.3, sd_t=0.25, rho=-0.9, n=3):
    return TrialDraws(*(np.full(n, value) for value in (mean_s, mean_t, sd_s, sd_t, rho)))


def of_trials(
    draws, margin=None, rows=None, units=("ln", "points per month"), good=("down", "up"), measure="mean_difference",
    **options,
):  # fmt: skip
    """The trial level of draws, with effects seen from 10 % to 60 % lower."""
    effects = [np.log(0.9), np.log(0.4), np.nan]
    seen = pd.DataFrame({"surrogate_kind": [0, 0, 3], "outcome_kind": [3, 3, 0], "surrogate_estimate": effects})
    ends = ("surrogate", "outcome")
    return magnitude_of_trials(
        SimpleNamespace(
            draws=draws, prior=certain(rho=0.0), labels={"surrogate": "NfL", "outcome": "ALSFRS-R slope"},
            units=dict(zip(ends, units, strict=True)), good=dict(zip(ends, good, strict=True)),
            rows=seen if rows is None else rows, margin=margin,
            measures={"surrogate": measure, "outcome": "mean_difference"},
            verdict=SimpleNamespace(verdict="uncertain", programmes=2),
        ),
        **options,
    )  # fmt: skip


def of_fit(tree, important=None, reductions=(0.2, 0.4, 0.6), outcome="alsfrs_r", **settings):
    context = read_context(tree)
    observed = observed_persons(tree, context.data)
    chosen = SurrogacySettings(**settings)
    evidence = surrogate_evidence(tree, context, observed, "nfl_plasma", outcome, chosen)
    return magnitude_of_fit(tree, context, observed, evidence, reductions, important), evidence


def named(found, name):
    return next(level for level in found.levels if level.name == name and not level.ratio)


# Trial level


def test_the_prediction_for_a_new_trial_is_the_conditional_normal():
    found = of_trials(certain(), reductions=(0.2, 0.6), prob=0.9)
    slope, sd = -0.9 * 0.25 / 0.3, 0.25 * np.sqrt(1 - 0.81)
    for row, x in zip(found.table.to_dict("records"), (0.2, 0.6), strict=True):
        mean = 0.2 + slope * (np.log(1 - x) + 0.3)
        half = stats.norm.ppf(0.95) * sd
        assert row["surrogate_effect"] == pytest.approx(np.log(1 - x))
        np.testing.assert_allclose(
            [row["median"], row["lower"], row["upper"]], [mean, mean - half, mean + half], atol=1e-6
        )
        np.testing.assert_allclose([row["line_lower"], row["line_upper"]], mean)
        assert row["probability_benefit"] == pytest.approx(stats.norm.cdf(mean / sd), abs=1e-9)
        assert (row["prior_median"], row["direction"]) == (pytest.approx(0.2), "+ favours the drug")


@pytest.mark.parametrize("margin", [None, 0.15])
def test_the_smallest_reduction_by_hand(margin):
    """a + b ln(1 - x) - z sd = margin, solved for x."""
    found = of_trials(certain(), margin)
    slope, sd = -0.9 * 0.25 / 0.3, 0.25 * np.sqrt(1 - 0.81)
    intercept = 0.2 + slope * 0.3
    for got, above in zip(found.levels[0].sufficient, (0.0, margin), strict=False):
        effect = (above + Z * sd - intercept) / slope
        assert got.reduction == pytest.approx(1 - np.exp(effect), abs=1e-6)
        assert got.extrapolated == (1 - np.exp(effect) > 0.6)
    assert len(found.levels[0].sufficient) == 1 + (margin is not None)


def test_errors_of_the_line_widen_the_prediction_and_not_its_spread_alone():
    rng = np.random.default_rng(4)
    n = 4000
    draws = TrialDraws(
        rng.normal(-0.3, 0.1, n), rng.normal(0.2, 0.1, n), np.full(n, 0.3), np.full(n, 0.25), -rng.beta(9, 2, n)
    )
    row = of_trials(draws, reductions=(0.5,)).table.iloc[0]
    effect = np.log(0.5)
    new = draws.intercept + draws.slope * effect + draws.conditional_sd * rng.standard_normal((100, n))
    np.testing.assert_allclose([row["lower"], row["upper"]], np.quantile(new, [0.025, 0.975]), atol=0.01)
    line = draws.intercept + draws.slope * effect
    np.testing.assert_allclose([row["line_lower"], row["line_upper"]], np.quantile(line, [0.025, 0.975]))


def test_no_reduction_suffices_where_the_sign_of_the_slope_is_not_known():
    rng = np.random.default_rng(1)
    draws = replace(certain(n=1000), rho=rng.uniform(-0.9, 0.9, 1000))
    share = np.mean(draws.slope < 0)
    (got,) = of_trials(draws).levels[0].sufficient
    assert (got.reduction, got.words) == (None, "does not exist")
    assert f"it approaches {share:.3f}" in got.reason
    assert "at 60 %, the largest observed" in got.reason
    assert "not 0.975" in got.reason


def test_a_harmful_association_never_suffices_and_a_smaller_outcome_may_be_good():
    (wrong,) = of_trials(certain(rho=0.9, mean_t=-0.4)).levels[0].sufficient
    assert wrong.reduction is None
    mirrored = TrialDraws(*(getattr(certain(), name) for name in ("mean_s", "mean_t", "sd_s", "sd_t")), np.full(3, 0.9))
    mirrored = replace(mirrored, mean_t=-mirrored.mean_t)
    hazard = of_trials(mirrored, units=("ln", "ln hazard ratio"), good=("down", "down"))
    plain = of_trials(certain())
    assert hazard.levels[0].sufficient[0].reduction == pytest.approx(plain.levels[0].sufficient[0].reduction)
    ratio, points = hazard.table.iloc[1], plain.table.iloc[1]
    assert ratio["median"] == pytest.approx(np.exp(-points["median"]))
    assert ratio["upper"] == pytest.approx(np.exp(-points["lower"]))
    assert (ratio["unit"], ratio["direction"]) == ("hazard ratio", "below 1 favours the drug")


def test_percent_needs_log_ratios_of_which_down_is_good():
    assert of_trials(certain(), units=("cells", "points")) is None
    assert of_trials(certain(), good=("up", "up")) is None
    assert of_trials(certain(), good=("down", None)) is None
    assert of_trials(certain(), units=("ln HR", "points"), measure="log_hazard_ratio") is None
    assert of_trials(certain(), units=("ln ratio", "points"), measure="log_ratio") is not None


def test_a_benefit_without_any_effect_on_the_surrogate_is_any_reduction():
    assert of_trials(certain(mean_t=2.0)).levels[0].sufficient[0].words == "any reduction"


# One trial


def reported(name="VALOR", surrogate=(-0.916, 0.101), outcome=(0.217, 0.214), within=np.nan):
    return {
        "trial": name, "surrogate_kind": 0, "outcome_kind": 0, "surrogate_estimate": surrogate[0],
        "surrogate_se": surrogate[1], "outcome_estimate": outcome[0], "outcome_se": outcome[1],
        "within_correlation": within,
    }  # fmt: skip


@pytest.mark.parametrize("within", [np.nan, 0.4])
def test_a_reported_trial_has_fiellers_limits(within):
    """beta / alpha < r where beta - r alpha > 0 (alpha is below 0): quadratic in r at each limit."""
    a, sa, b, sb = -0.916, 0.101, 0.217, 0.214
    c = np.nan_to_num(within) * sa * sb
    roots = np.roots([a**2 - Z**2 * sa**2, -2 * (a * b - Z**2 * c), b**2 - Z**2 * sb**2])
    found = of_trials(certain(), rows=pd.DataFrame([reported(within=within)]))
    row = found.table.query("level == 'one trial' and reduction == 0.4").iloc[0]
    limits = np.sort(roots * np.log(0.6))
    np.testing.assert_allclose([row["lower"], row["upper"]], limits)
    assert row["median"] == pytest.approx(b / a * np.log(0.6))
    assert row["interval_kind"] == "ci"
    assert row["title"] == "One trial: VALOR"
    (got,) = found.levels[1].sufficient
    assert (got.words, row["observed"]) == ("does not exist", True)


CNM_AU8 = {"surrogate": (-0.1, 0.049), "outcome": (-0.013, 0.15)}


def ratio_test(row):
    """Standard errors between b - r a and 0, turned to fall with r where a is below 0; errors not correlated."""
    a, sa, b, sb = (row[f"{end}_{name}"] for end in ("surrogate", "outcome") for name in ("estimate", "se"))
    return lambda r: -(b - r * a) / np.sqrt(sb**2 + (r * sa) ** 2)


@pytest.mark.parametrize("x", [0.2, 0.6])
def test_a_trial_whose_effect_on_the_surrogate_is_hardly_certain_has_the_wide_limits_that_fiellers_set_has(x):
    """CNM-Au8's effect on NfL lies 2.04 SE from 0: ratios that a test at 5 % just keeps, found by bisection."""
    rows = [reported(), reported("CNM-Au8", **CNM_AU8)]
    found = of_trials(certain(), rows=pd.DataFrame(rows)).table.query("reduction == @x").set_index("title")
    for row in rows:
        z = ratio_test(row)
        far = 1e4
        ends = [optimize.brentq(lambda r, to=to, z=z: z(r) - to, -far, far, xtol=1e-12) for to in (-Z, Z)]
        got = found.loc[f"One trial: {row['trial']}"]
        np.testing.assert_allclose([got["lower"], got["upper"]], np.sort(np.array(ends) * np.log(1 - x)), rtol=1e-6)
    wide = found.loc["One trial: CNM-Au8"]
    if x == 0.6:
        assert (wide["lower"], wide["upper"]) == pytest.approx((-11.3, 8.2), abs=0.05)


def test_confidence_in_a_margin_is_that_of_the_interval_that_leaves_it_out():
    """At a limit of Fieller's interval it is (1 + prob) / 2; with a sign of a that is certain, the share of draws."""
    for prob in (0.8, 0.95):
        for effects in (ReportedEffects(-0.9, 0.1, 0.4, 0.1, 0.4), ReportedEffects(0.3, 0.1, -0.2, 0.1, -0.3)):
            effect = np.log(0.6)
            _, lower, upper = effects.limits(effect, prob)
            assert effects.beyond(effect, lower, 1.0) == pytest.approx((1 + prob) / 2)
            assert effects.beyond(effect, -upper, -1.0) == pytest.approx((1 + prob) / 2)
    first, second = np.random.default_rng(2).multivariate_normal(
        [-0.9, 0.4], [[0.01, 0.004], [0.004, 0.01]], size=200_000
    ).T  # fmt: skip
    got = ReportedEffects(-0.9, 0.1, 0.4, 0.1, 0.4).beyond(np.log(0.6), 0.2, 1.0)
    assert got == pytest.approx(np.mean(second / first * np.log(0.6) > 0.2), abs=0.004)


@pytest.mark.parametrize("outcome", [(0.217, 0.214), (1.0, 0.2)])
def test_a_ratio_without_bounds_is_said_in_words(outcome):
    """Where a may be 0 ratios far from 0 are kept; those near it are left out only if b is clearly not 0."""
    row = reported("weak", (-0.05, 0.1), outcome)
    z = ratio_test(row)
    assert all(abs(z(far)) < Z for far in (-1e6, 1e6))
    words = "no ratio is excluded"
    if abs(z(0.0)) > Z:
        ends = [optimize.brentq(lambda r: abs(z(r)) - Z, *sorted((0.0, far))) for far in (-100.0, 100.0)]
        words = f"below {ends[0]:.3g} or above {ends[1]:.3g}"
    level = of_trials(certain(), rows=pd.DataFrame([row])).levels[1]
    assert (level.effect, level.sufficient) == (None, ())
    assert "no bounded interval" in level.why_not
    assert words in level.why_not
    assert np.isnan(ReportedEffects.of(row).limits(-0.5, 0.95)[1])


def test_trials_that_hardly_move_the_surrogate_or_are_many_have_no_line_of_their_own():
    weak = of_trials(certain(), rows=pd.DataFrame([reported("weak", (-0.05, 0.1)), reported()]))
    assert [level.why_not[:40] for level in weak.levels[1:]] == ["the effect on the surrogate is not separ", ""]
    assert "weak" not in " ".join(weak.table["title"])
    assert "not separated from zero" in weak.sufficient.set_index("title").loc["One trial: weak", "reason"]
    many = of_trials(certain(), rows=pd.DataFrame([reported(f"trial {k}") for k in range(4)]))
    assert [level.name for level in many.levels] == ["trials"]


def test_one_trial_is_the_ratio_of_its_effects_times_the_reduction():
    found, evidence = of_fit(fake_posterior(), important=0.5)
    level = named(found, "one trial")
    arms = evidence.effects
    ratio = arms.beta / arms.alpha
    assert np.median(ratio) == pytest.approx(GAIN * 28 / MONTH / -0.8, rel=0.01)
    rows = found.table.set_index(["level", "reduction"])
    for x in (0.2, 0.4, 0.6):
        expected = np.quantile(ratio * np.log(1 - x), [0.5, 0.025, 0.975])
        np.testing.assert_allclose(rows.loc[("one trial", x), ["median", "lower", "upper"]].tolist(), expected)
    assert level.observed == (0.0, pytest.approx(1 - np.exp(-0.8), abs=0.01))
    assert rows["observed"].tolist() == [True, True, False]
    any_benefit, important = level.sufficient
    assert any_benefit.words == "any reduction"
    weakest = np.quantile(-ratio, 0.025)
    assert important.reduction == pytest.approx(1 - np.exp(-0.5 / weakest), abs=2e-4)
    assert "line through no effect on both" in level.assumes
    assert "not shown. The fit holds no covariance" in found.sentence()


def test_a_ratio_that_may_be_anything_is_not_shown():
    tree = fake_posterior()
    found, _ = of_fit(flat_response(tree))
    level = named(found, "one trial")
    assert level.effect is None
    assert "not separated from zero" in level.why_not
    late, _ = of_fit(tree, outcome_week=52.0, surrogate_week=52.0)
    assert "after the switch" in named(late, "one trial").why_not


def flat_response(tree):
    """The same with differences in NfL about zero."""
    changed = tree.copy()
    draws = changed["posterior"].to_dataset()
    difference = draws["difference"].copy()
    own = difference.sel(outcome="nfl_plasma")
    difference.loc[{"outcome": "nfl_plasma"}] = own - own.mean(("chain", "draw"))
    changed["posterior"] = xr.DataTree(draws.assign(difference=difference))
    return changed


# Persons


def test_persons_give_the_slope_within_arms():
    """By hand, as of the surrogate report: only the early arm has a response, linked with rate and effect by -.9."""
    found, _ = of_fit(persons_posterior())
    months = 28 / MONTH
    st = 2 / 3 * months * 0.3 * -0.9 * (0.6 + 0.25)
    ss = 2 / 3 * 0.3**2 + (months * 0.02) ** 2
    row = found.table.query("level == 'persons' and reduction == 0.4").iloc[0]
    assert row["median"] == pytest.approx(st / ss * np.log(0.6), rel=0.01)
    assert row["lower"] < row["median"] < row["upper"]
    assert row["direction"] == "+ favours the person with the reduction"
    level = named(found, "persons")
    assert level.observed[1] == pytest.approx(1 - np.exp(-2 * Z * np.sqrt(ss)), abs=0.01)
    assert "Never a prediction for a trial" in level.assumes
    assert "of the course without limits" in level.says
    assert np.isfinite(row["prior_lower"])


def test_an_association_is_not_asked_for_a_reduction_that_would_suffice():
    for tree in (persons_posterior(), with_events()):
        found, _ = of_fit(tree, important=0.5)
        persons = [level for level in found.shown if level.name == "persons"]
        assert persons
        assert all((level.sufficient, level.important) == ((), None) for level in persons)
        rows = found.sufficient.query("level == 'persons'")
        assert rows["reduction"].isna().all()
        assert set(rows["reason"]) <= {
            "not asked: an association, no effect",
            "the fit holds no covariance between persons",
        }
        assert found.table.query("level == 'persons'")["probability_benefit"].isna().all()
        assert found.table.query("level == 'one trial'")["probability_benefit"].notna().all()
        for level in persons:
            assert found.line(level).endswith(
                "Smallest reduction that would suffice: not asked: an association, no effect."
            )


def test_a_hazard_goes_with_the_current_value():
    found, _ = of_fit(with_events())
    row = found.table[found.table["endpoint"] == "hazard of withdrawal"].query("reduction == 0.4").iloc[0]
    assert row["median"] == pytest.approx(0.6**0.3, rel=1e-3)
    assert row["upper"] == pytest.approx(0.6 ** (0.3 - Z * 0.1), rel=0.01)
    assert row["unit"] == "hazard ratio"
    assert "hazard of death" not in set(found.table["endpoint"])  # death goes with ALSFRS-R alone


# Link


STRENGTH = {"ratio_power": ("alsfrs_r_exponent", 0.6), "drop_gain": ("alsfrs_r_gain", 0.5)}


def link_of(kind, rate=(-1.2,), shares=(1.0,)):
    one = np.array
    return LinkDraws(
        kind, one([STRENGTH[kind][1]]), one([list(rate)]), one([0.04]), one([1.3]), one([1.1]), one([2.0]), one(shares)
    )


@pytest.mark.parametrize("months", [2.0, 6.44, 20.0])
@pytest.mark.parametrize("kind", STRENGTH)
def test_a_link_is_its_integral_and_what_the_model_says(kind, months):
    """By quadrature of the rate, and from the model's own courses: treated from week 0 minus never treated."""
    effect, a, rho, lag_s, kappa, lag_t = np.log(0.4), -1.2, 0.04, 1.3, 1.1, 2.0
    strength = STRENGTH[kind][1]

    def gained(u):
        h = -np.expm1(-max(u - lag_t - lag_s, 0.0) / kappa)
        if kind == "ratio_power":
            return a * np.exp(-rho * u) * np.expm1(strength * effect * h)
        return -strength * effect * h * np.exp(-rho * u)

    by_hand = integrate.quad(gained, 0, months, points=[min(lag_t + lag_s, months)], limit=200)[0]
    got = link_of(kind).effect(effect, months)
    assert got.item() == pytest.approx(by_hand, abs=1e-7)
    values = {
        "nfl_plasma_rate": [0.0], "nfl_plasma_effect": [effect], "nfl_plasma_lag": lag_s,
        "nfl_plasma_time_constant": kappa, "alsfrs_r_rate": [a], "alsfrs_r_deceleration": rho,
        STRENGTH[kind][0]: strength, "alsfrs_r_lag": lag_t,
    }  # fmt: skip
    cells = Cells(np.full(2, months), np.array([0.0, NEVER]), np.ones((2, 1)), np.zeros(2))
    function = courses_of((valor_alsfrs_r(kind), valor_nfl())).function("alsfrs_r", cells)
    treated, never = function({name: np.array([value]) for name, value in values.items()})[0]
    assert got.item() == pytest.approx(treated - never, abs=1e-6)
    assert got.item() >= 0  # NfL down is good, ALSFRS-R up


def test_strata_of_a_link_enter_by_their_shares():
    whole = link_of("ratio_power", (-1.2, -0.4), (0.25, 0.75)).effect(-0.5, 6.0)
    parts = [link_of("ratio_power", (rate,)).effect(-0.5, 6.0).item() for rate in (-1.2, -0.4)]
    assert whole.item() == pytest.approx(0.25 * parts[0] + 0.75 * parts[1])


def linked_posterior():
    """The fake posterior as of published means whose function follows NfL by a power of its ratio."""
    tree = part_of(fake_posterior(), stratum=["faster", "slower", "all"])
    spec = {"outcomes": [{"name": "alsfrs_r", "effect": {"type": "ratio_power", "outcome": "nfl_plasma"}}]}
    made = tree.copy()
    made.attrs["model"] = json.dumps(spec)
    for group in ("posterior", "prior"):
        draws = made[group].to_dataset()
        constant = xr.full_like(draws["effect_lag"], np.nan)
        constant.loc[{"outcome": "nfl_plasma"}] = 1.1
        slowed = xr.full_like(draws["effect_lag"], np.nan)
        slowed.loc[{"outcome": "alsfrs_r"}] = 0.04
        made[group] = xr.DataTree(draws.assign(effect_time_constant=constant, deceleration=slowed))
    return made


def test_a_link_is_read_from_what_a_fit_publishes():
    tree = linked_posterior()
    found, evidence = of_fit(tree, reductions=(0.4,))
    level = named(found, "link")
    assert all(other.name != "one trial" for other in found.levels)
    draws = link_draws(tree, evidence.declared, "ratio_power", {"faster": 60 / 108, "slower": 48 / 108})
    posterior = tree["posterior"]
    first = {"chain": 2, "draw": 17}
    at = {"outcome": "alsfrs_r", **first}
    k = 2 * 250 + 17
    assert draws.strength[k] == posterior["drug_effect"].sel(stratum="faster").sel(outcome="alsfrs_r").isel(first)
    assert draws.lag[k] == posterior["effect_lag"].sel(outcome="alsfrs_r").isel(first)
    assert draws.surrogate_lag[k] == posterior["effect_lag"].sel(outcome="nfl_plasma").isel(first)
    np.testing.assert_array_equal(
        draws.rate[k], posterior["population_rate"].sel(outcome=at["outcome"], stratum=["faster", "slower"]).isel(first)
    )
    row = found.table.query("level == 'link'").iloc[0]
    np.testing.assert_allclose(
        [row["median"], row["lower"]], np.quantile(draws.effect(np.log(0.6), 28 / MONTH), [0.5, 0.025])
    )
    assert "all of the effect goes through Plasma NfL" in level.assumes


# The smallest reduction


def test_the_smallest_reduction_holds_for_every_larger_one():
    """Likely for small reductions, unlikely between, likely again: the last crossing counts."""
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(2000)

    def at(effect):
        x = -np.expm1(effect)
        return (2.5 if x < 0.2 or x > 0.655 else 0.0) + noise

    assert smallest_reduction(DrawnEffect(at), 0.0, 0.975, 1.0) == pytest.approx(0.655, abs=1e-4)
    assert smallest_reduction(DrawnEffect(lambda effect: noise - effect), 0.0, 0.975, -1.0) is None
