"""Reference-based and delta-adjusted means against dense normal algebra and closed forms worked by hand. Made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from same_draw import same_draw
from scipy.stats import beta, norm

from bayesmodels.analyses.dropout.sensitivity import NEVER_TREATED, dropout_sensitivity
from bayesmodels.analyses.dropout.tables import BEYOND, FOUND, NOBODY_LEFT, NOT_APPLICABLE, tipping
from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.models.longitudinal import LongitudinalModel
from bayesmodels.study import Study
from bayesmodels.study.leaving import LeavingRule, half_spacing, leaving
from bayesmodels.vocabulary import MONTH_IN_WEEKS

MONTHS = (0.0, 3.0, 6.0, 12.0)
WEEK, SWITCH = 12.0 * MONTH_IN_WEEKS, 4.0 * MONTH_IN_WEEKS
LEVEL, RATE, EFFECT = 30.0, -1.0, 0.5
TAU, SIGMA = 2.0, 2.0


def model(name="score", **fields) -> LongitudinalModel:
    outcome = {
        "name": name, "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0},
        "effect": {"type": "slope_change"}, **fields,
    }  # fmt: skip
    return LongitudinalModel(outcomes=(outcome,), pooling="complete", person_sd="common", residual_sd="common")


def study(early: list[int], delayed: list[int], *, values=None, events=None, strata=None) -> Study:
    """Persons with so many of the four visits; `values` of a visit by month and group, else on the mean course."""
    persons, visits = [], []
    for group, start, counts in (("early", 0.0, early), ("delayed", SWITCH, delayed)):
        for j, count in enumerate(counts):
            person = f"{group}-{j}"
            persons.append((person, group, start, strata[j % len(strata)] if strata else "all"))
            for t in MONTHS[:count]:
                value = values(t, group) if values else LEVEL + RATE * t
                visits.append((person, t * MONTH_IN_WEEKS, "score", value))
    return Study.from_frames(
        pd.DataFrame(persons, columns=["person", "start_group", "drug_start_week", "stratum"]),
        pd.DataFrame(visits, columns=["person", "week", "outcome", "value"]),
        events,
        reference_group="delayed",
        strata=strata is not None,
    )


def posterior(point: dict[str, np.ndarray], draws: int, strata=("all",)) -> xr.DataTree:
    """The same draw, many times."""
    coords = {
        "chain": [0], "draw": np.arange(draws), "fitted_stratum": list(strata), "start_group": ["early", "delayed"],
        "drug_start_week": ("start_group", [0.0, SWITCH]),
    }  # fmt: skip
    return same_draw(point, draws, coords)


def intercepts_only(draws=10, effect=EFFECT) -> xr.DataTree:
    """Persons differ in level only."""
    return posterior(
        {
            "term_mean": np.array([LEVEL, RATE, effect])[:, None], "term_sd": np.array([[TAU, 1e-9]]),
            "partial_correlation": np.array([0.5]), "error_sd": np.array([[SIGMA]]),
        },
        draws,
    )  # fmt: skip


def treated(t, start=0.0):
    """Mean course of those who start the drug in a month."""
    return LEVEL + RATE * t + EFFECT * np.maximum(t - start, 0.0)


def run(trial, tree=None, fitted=None, **options) -> xr.Dataset:
    return dropout_sensitivity(fitted or model(), tree or intercepts_only(), trial, "score", WEEK, seed=1, **options)


def test_three_visits_by_hand():
    """All early starters stop at month 6; reference never treated: R = tau^2 / (sigma^2 + 3 tau^2) for each visit."""
    found = run(study([3, 3, 3], [4, 4, 4]), reference=NEVER_TREATED)
    mean = found["mean"].sel(start_group="early", stratum="all", chain=0, draw=0)
    shift = {"missing_at_random": 0.0, "jump_to_reference": -6.0, "copy_increments": -3.0}
    shift["copy_reference"] = -6.0 + TAU**2 / (SIGMA**2 + 3 * TAU**2) * (0.0 + 1.5 + 3.0)
    for name, expected in shift.items():
        assert float(mean.sel(strategy=name)) == pytest.approx(24.0 + expected, abs=1e-6)
    delayed = found["mean"].sel(start_group="delayed")
    assert (delayed == delayed.sel(strategy="missing_at_random")).all()


def test_dense_algebra_where_covariances_differ_by_start():
    """Random level, rate and effect, a Brownian path, a second outcome: everything written out by formula."""
    rng = np.random.default_rng(3)
    two = LongitudinalModel(
        outcomes=(
            {
                "name": "score", "good_direction": "up", "typical": {"level": 30.0, "spread": 5.0, "rate": 1.0},
                "effect": {"type": "slope_change", "person_sd": {"sd": 1.0}}, "random_walk_sd": {"sd": 1.0},
            },
            {"name": "marker", "good_direction": "down", "typical": {"level": 4.0, "spread": 1.0, "rate": 0.1},
             "effect": {"type": "step"}},
        ),
        pooling="complete",
    )  # fmt: skip
    means = np.array([30.0, -1.0, 0.5, 4.0, 0.1, -0.8])  # level, rate, effect; level, rate, effect (not random)
    sds, partial = np.array([4.0, 0.6, 0.4, 0.5, 0.05]), rng.uniform(-0.5, 0.5, 10)
    sigma, random_walk = np.array([1.5, 0.2]), np.array([1.1, 0.0])
    tree = posterior(
        {
            "term_mean": means[:, None], "term_sd": sds[None], "partial_correlation": (1 + partial) / 2,
            "error_sd": sigma[None], "path_sd": np.array([[1.1]]),
        },
        3,
    )  # fmt: skip
    y = {"score": (31.0, 26.5, 27.0), "marker": (4.6, 3.1, 3.3)}
    persons, visits = [], []
    for group, start, last in (("early", 0.0, 3), ("delayed", SWITCH, 4)):
        for j in range(3):
            persons.append((f"{group}-{j}", group, start))
            for m, t in enumerate(MONTHS[:last]):
                for name, values in y.items():
                    visits.append((f"{group}-{j}", t * MONTH_IN_WEEKS, name, (*values, values[-1])[m]))
    trial = Study.from_frames(
        pd.DataFrame(persons, columns=["person", "start_group", "drug_start_week"]),
        pd.DataFrame(visits, columns=["person", "week", "outcome", "value"]),
        reference_group="delayed",
    )
    found = dropout_sensitivity(two, tree, trial, "score", WEEK, seed=1)

    factor, place = np.eye(5), 0
    for i in range(5):
        for j in range(i):
            factor[i, j] = partial[place] * np.sqrt(1 - (factor[i, :j] ** 2).sum())
            place += 1
        factor[i, i] = np.sqrt(1 - (factor[i, :i] ** 2).sum())
    terms = sds[:, None] * (factor @ factor.T) * sds
    at = [(k, t) for k in range(2) for t in (*MONTHS[:3], 12.0)]  # past and week of each outcome

    def moments(start):
        rows = np.array(
            [
                (1.0, t, max(t - start, 0.0), 0.0, 0.0, 0.0) if k == 0 else (0, 0, 0, 1.0, t, float(t > start))
                for k, t in at
            ]
        )
        path = [[random_walk[k] ** 2 * min(t, s) * (k == j) for j, s in at] for k, t in at]
        return rows @ means, rows[:, :5] @ terms @ rows[:, :5].T + np.array(path)

    past, week, exit_ = [0, 1, 2, 4, 5, 6], 3, 2
    noise = np.diag(np.repeat(sigma**2, 3))
    observed = np.concatenate([y["score"], y["marker"]])
    (mu_a, c_a), (mu_r, c_r), (mu_d, _) = moments(0.0), moments(np.inf), moments(4.0)
    gain_a, gain_r = (c[week, past] @ np.linalg.inv(c[np.ix_(past, past)] + noise) for c in (c_a, c_r))
    at_random = mu_a[week] + gain_a @ (observed - mu_a[past])
    expected = {
        "missing_at_random": at_random,
        "jump_to_reference": mu_r[week] + gain_r @ (observed - mu_a[past]),
        "copy_increments": mu_a[exit_] + mu_r[week] - mu_r[exit_] + gain_r @ (observed - mu_a[past]),
        "copy_reference": mu_r[week] + gain_r @ (observed - mu_r[past]),
    }
    assert np.ptp(list(expected.values())) > 1.0
    for name, value in expected.items():
        mean = found["mean"].sel(strategy=name, start_group="early", stratum="all")
        np.testing.assert_allclose(mean, mu_a[week] + value - at_random, rtol=1e-9)
    np.testing.assert_allclose(found["mean"].sel(start_group="delayed"), mu_d[week], rtol=1e-9)
    assert found.attrs["reference"] == NEVER_TREATED  # by default: the delayed group starts before the week


def test_expected_jump_to_reference_is_the_share_still_there():
    """Without person-level effects those who left lose what the drug did, in either group; their shares are Betas.

    Early starters who left (4 of 10) lose 12 months on the drug, delayed ones (3 of 8) 8 months: Bayesian bootstrap.
    """
    draws, left, stayed = 1500, 4, 6
    found = run(study([2] * left + [4] * stayed, [3] * 3 + [4] * 5), intercepts_only(draws), draws=draws)
    delta = float(treated(12.0) - treated(12.0, 4.0))
    j2r = found["difference"].sel(strategy="jump_to_reference").to_numpy().ravel()
    shares, lost = (beta(left, stayed), beta(3, 5)), (12 * EFFECT, 8 * EFFECT)
    sd = np.hypot(*(loss * w.std() for w, loss in zip(shares, lost, strict=True)))
    expected = delta - lost[0] * shares[0].mean() + lost[1] * shares[1].mean()
    assert j2r.mean() == pytest.approx(expected, abs=4.5 * sd / np.sqrt(draws))
    assert j2r.std() == pytest.approx(sd, rel=0.08)
    np.testing.assert_allclose(found["difference"].sel(strategy="missing_at_random"), delta, rtol=1e-9)
    assert found["share_missing"].sel(start_group="early").item() == pytest.approx(0.4)
    assert found["share_missing"].sel(start_group="delayed").item() == pytest.approx(3 / 8)


def test_delta_adjusted_expectations():
    """Exit at month 3 of 4 in 10, at month 6 of 3 in 8: months after exit times delta times share, either group."""
    draws, grid = 1500, (0.0, 0.5, 1.0)
    found = run(study([2] * 4 + [4] * 6, [3] * 3 + [4] * 5), intercepts_only(draws), draws=draws, deltas=grid)
    mar = found["difference"].sel(strategy="missing_at_random").drop_vars(["strategy", "strategy_in_words"])
    xr.testing.assert_allclose(found["delta_difference"].sel(delta_group=0, delta_reference=0, drop=True), mar)
    mean = found["delta_difference"].mean(["chain", "draw"])[:, :, 0, 0].to_numpy() - mar.mean().item()
    expected = -np.multiply.outer(grid, np.ones(3)) * 0.4 * 9.0 + np.multiply.outer(np.ones(3), grid) * 3 / 8 * 6.0
    np.testing.assert_allclose(mean, expected, atol=4.5 * 9.0 * np.sqrt(0.24 / 11 / draws))
    once = run(study([2] * 5, [4] * 5), deltas=grid, delta_unit="once")
    assert float(once["delta_difference"][0, 0, 2, 0, 0, 0] - once["difference"][0, 0, 0, 0, 0]) == pytest.approx(-1.0)


def test_with_everyone_followed_all_strategies_agree():
    found = run(study([4, 4, 4], [4, 4]))
    assert np.ptp(found["mean"].to_numpy(), axis=2).max() == 0
    assert float(found["share_missing"].max()) == 0
    assert np.ptp(found["delta_difference"].to_numpy()) == 0


def test_reference_members_go_on_as_they_were():
    """At month 3 the delayed group, which starts in month 4, is the reference."""
    trial, week = study([4, 4, 1], [1, 3, 4]), 3 * MONTH_IN_WEEKS
    found = dropout_sensitivity(model(), intercepts_only(), trial, "score", week, seed=1)
    assert (found.attrs["reference"], "has not started the drug" in found.attrs["reference_in_words"]) == (
        "delayed",
        True,
    )
    delayed = found["mean"].sel(start_group="delayed")
    np.testing.assert_allclose(delayed, delayed.sel(strategy="missing_at_random").broadcast_like(delayed), rtol=1e-12)
    early = found["mean"].sel(start_group="early")
    assert (early.sel(strategy="jump_to_reference") < early.sel(strategy="missing_at_random")).all()


@pytest.mark.parametrize("deaths", ["as_followed", "left_out"])
def test_with_a_free_baseline_differences_are_of_changes_since_randomisation(deaths):
    """Early starters are 3 points better from week 0 on, data and level: as a common baseline without the 3 points."""
    apart, ends = 3.0, {f"{g}-{j}": (WEEK, "none") for g in ("early", "delayed") for j in range(3)}
    ends |= {"early-0": (30.0, "death"), "early-1": (29.0, "withdrawal"), "delayed-2": (14.0, "withdrawal")}

    def trial(gap):
        values = {"early": gap, "delayed": 0.0}
        return study([3, 3, 4], [4, 4, 2], values=lambda t, g: LEVEL - 1.2 * t + values[g], events=events(ends))

    free = LongitudinalModel(**(model().model_dump() | {"baseline": "free"}))
    tree = intercepts_only()
    shifted = posterior(
        {name: tree["posterior"][name].to_numpy()[0, 0] for name in tree["posterior"].data_vars}
        | {"level_deviation": np.full((1, 1, 1), apart)},
        10,
    )
    rule, options = LeavingRule(deaths=deaths), {"deltas": (0.0, 1.0)}
    plain, found = run(trial(0.0), rule=rule, **options), run(trial(apart), shifted, free, rule=rule, **options)
    for name in ("difference", "delta_difference", "tipping_point"):
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-9, atol=1e-9)
    assert float(found["difference"].std("strategy").max()) > 0.1
    assert "changes since randomisation" in found.attrs["baseline_in_words"]
    assert "baseline_in_words" not in plain.attrs


def test_nobody_jumps_to_a_reference_that_has_started_the_drug_by_then():
    """At month 12 both groups are on the drug: by name it is refused, and its untreated course stands for it."""
    trial = study([4, 4, 3], [2, 3, 4])
    for group in ("delayed", "early"):
        with pytest.raises(BadInput, match=f"has not started the drug by week 52.1786, got '{group}', which"):
            run(trial, reference=group)
    by_default, named = run(trial), run(trial, reference=NEVER_TREATED)
    xr.testing.assert_equal(by_default["mean"], named["mean"])
    assert by_default.attrs["reference"] == NEVER_TREATED
    words = by_default.attrs["reference_in_words"]
    assert words.startswith(
        "as if the drug were never started, for those who left in every group; the untreated course"
    )
    assert '"delayed", which has itself started the drug by then' in words
    assert "stands for" not in named.attrs["reference_in_words"]
    delayed = by_default["mean"].sel(start_group="delayed")
    assert (delayed.sel(strategy="jump_to_reference") < delayed.sel(strategy="missing_at_random")).all()


def test_strata_are_mixed_with_the_trial_s_shares():
    tree = posterior(
        {
            "term_mean": np.array([[30.0, 32.0], [-1.0, -0.5], [0.5, 0.25]]), "term_sd": np.array([[TAU, 1e-9]]),
            "partial_correlation": np.array([0.5]), "error_sd": np.array([[SIGMA]]),
        },
        5,
        ("faster", "slower"),
    )  # fmt: skip
    trial = study([3, 3, 3, 4], [4, 4, 4, 4, 4, 4], strata=("faster", "faster", "slower"))
    found = run(trial, tree)["mean"].sel(strategy="missing_at_random", chain=0, draw=0)
    faster = trial.persons["stratum"].eq("faster").mean()
    assert list(found["stratum"].values) == ["faster", "slower", "all"]
    np.testing.assert_allclose(found.sel(stratum="faster"), [30 - 12 + 6, 30 - 12 + 4])
    np.testing.assert_allclose(found.sel(stratum="slower"), [32 - 6 + 3, 32 - 6 + 2])
    np.testing.assert_allclose(found.sel(stratum="all"), faster * found[:, 0] + (1 - faster) * found[:, 1])


def events(trial_counts: dict[str, tuple[float, str]]) -> pd.DataFrame:
    return pd.DataFrame([(p, w, e) for p, (w, e) in trial_counts.items()], columns=["person", "week", "event"])


def test_the_dead_three_ways():
    """Two of five early starters die after month 6 with identical values, one withdraws."""
    ends = {f"early-{j}": (WEEK, "none") for j in range(5)} | {f"delayed-{j}": (WEEK, "none") for j in range(3)}
    ends |= {
        "early-0": (30.0, "death"),
        "early-1": (31.0, "death"),
        "early-2": (29.0, "withdrawal"),
    }
    trial = study([3, 3, 3, 4, 4], [4, 4, 4], values=lambda t, group: 28.0 - t, events=events(ends))
    draws = 1000

    def early(deaths, strategy="jump_to_reference"):
        found = run(trial, intercepts_only(draws), draws=draws, rule=LeavingRule(deaths=deaths))
        assert found["share_dead"].sel(start_group="early").item() == pytest.approx(0.4)
        return found["mean"].sel(strategy=strategy, start_group="early").to_numpy().ravel()

    jump = treated(12.0, np.inf) - treated(12.0)
    noise = 4.5 * 0.25 * abs(jump) / np.sqrt(draws)
    assert early("as_followed").mean() == pytest.approx(treated(12.0) + 0.2 * jump, abs=noise)
    assert early("as_missing").mean() == pytest.approx(treated(12.0) + 0.6 * jump, abs=noise)
    gain = TAU**2 / (SIGMA**2 + 3 * TAU**2)
    own = treated(12.0) + gain * sum(28.0 - t - treated(t) for t in MONTHS[:3])  # a dead person's mean at month 12
    alive = early("left_out", "missing_at_random")
    expected = beta(2, 3).expect(lambda w: (treated(12.0) - w * own) / (1 - w))
    assert own < 22
    assert alive.mean() == pytest.approx(expected, abs=4.5 * alive.std() / np.sqrt(draws))


def test_who_has_left():
    ends = {f"early-{j}": (WEEK, "none") for j in range(5)} | {f"delayed-{j}": (WEEK, "none") for j in range(2)}
    ends |= {
        "early-0": (WEEK - 1, "withdrawal"),
        "early-1": (30.0, "none"),  # follow-up ended by the trial
        "early-2": (WEEK, "none"),  # still followed, visit missed
        "early-3": (40.0, "death"),
    }
    trial = study([3, 3, 3, 3, 4], [4, 4], events=events(ends))
    found = leaving(trial, "score", WEEK, LeavingRule())
    np.testing.assert_array_equal(np.flatnonzero(found.missing), [0])
    np.testing.assert_array_equal(np.flatnonzero(found.ended), [1, 2])
    np.testing.assert_array_equal(np.flatnonzero(found.dead), [3])
    assert found.exit_week[0] == pytest.approx(6 * MONTH_IN_WEEKS)
    # Visits gather around weeks 13, 26 and 52.
    assert found.tolerance_weeks == pytest.approx(13.0)
    assert half_spacing(trial.visits, 20.0) == pytest.approx(6.5)
    lenient = leaving(trial, "score", WEEK, LeavingRule(tolerance_weeks=30.0))
    assert not lenient.missing.any()
    without = study([3, 3, 4], [4, 2])
    np.testing.assert_array_equal(leaving(without, "score", WEEK, LeavingRule()).missing, [1, 1, 0, 0, 1])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_step_across_zero_is_a_tipping_point(sign):
    """Mean 0.75, SD 0.1: above zero at delta 0.5, wholly below it at delta 1."""
    d = norm.ppf((np.arange(2000) + 0.5) / 2000, loc=0.75, scale=0.1)
    grid = np.array([0.0, 0.5, 1.0])
    at_delta = sign * (d[None, :, None, None, None, None] - grid[:, None, None, None] + 0 * grid[:, None, None])
    point, status = tipping(at_delta, grid, 0.95)
    assert (point[0, 0, 0], status[0, 0, 0]) == (1.0, FOUND)


def test_tipping_point_of_a_normal():
    """Mean 2, SD 0.5: the lower limit 1.02 is passed at delta 1.25 of a grid by quarters; both groups cancel."""
    d = norm.ppf((np.arange(4000) + 0.5) / 4000, loc=2.0, scale=0.5)
    grid = np.arange(0.0, 2.01, 0.25)
    at_delta = d[None, :, None, None, None, None] - (grid[:, None] - grid[None, :])[None, None, :, :, None, None]
    point, status = tipping(at_delta, grid, 0.95)
    assert (point[0, 0, 0], status[0, 0, 0]) == (1.25, FOUND)
    assert np.isnan(point[1, 0, 0])
    assert status[1, 0, 0] == BEYOND
    point, status = tipping(at_delta - 2.0, grid, 0.95)
    assert np.isnan(point).all()
    assert (status == NOT_APPLICABLE).all()


def test_no_tipping_point_is_not_robustness_where_nobody_counts_as_having_left():
    ends = {f"early-{j}": (30.0, "none") for j in range(2)} | {f"early-{j}": (WEEK, "none") for j in (2, 3)}
    trial = study([3, 3, 4, 4], [4, 4], events=events(ends | {f"delayed-{j}": (WEEK, "none") for j in range(2)}))
    found = run(trial, deltas=(0.0, 0.1))
    assert (found["tipping_status"] == NOBODY_LEFT).all()
    assert found["share_ended"].sel(start_group="early").item() == 0.5
    assert (
        "nothing is supposed of those without a visit at the week who were followed to it or whose exit is none;"
        in found.attrs["ends_in_words"]
    )
    left = run(trial, deltas=(0.0, 0.1), rule=LeavingRule(administrative=()))["tipping_status"].squeeze()
    assert left.sel(delta_path=["group_only", "both_groups"]).values.tolist() == [BEYOND] * 2
    assert left.sel(delta_path="reference_only") == NOBODY_LEFT
    with pytest.raises(BadInput, match=r"administrative: expected exits of the study \(none\), got lock"):
        run(trial, rule=LeavingRule(administrative=("none", "lock")))


def test_worse_means_higher_where_low_is_good():
    fitted, trial = model(good_direction="down"), study([2] * 3, [4] * 3)
    found = run(trial, fitted=fitted, deltas=(0.0, 1.0))
    assert float(found["delta_difference"][0, 0, 1, 0, 0, 0] - found["difference"][0, 0, 0, 0, 0]) == pytest.approx(9.0)
    assert found["direction"].item() == "- favours early"
    assert run(trial)["direction"].item() == "+ favours early"


def test_it_can_be_stored(tmp_path):
    found = run(study([2] * 3, [4] * 3))
    xr.DataTree.from_dict({"dropout_sensitivity": found}).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    again = xr.open_datatree(tmp_path / "a.nc", engine="h5netcdf")["dropout_sensitivity"].load()
    xr.testing.assert_equal(again.to_dataset()["difference"], found["difference"])
    np.testing.assert_array_equal(again["tipping_status"], found["tipping_status"])


def test_refusals():
    trial = study([3, 3], [4, 4])
    with pytest.raises(BadInput, match=r"outcome: expected one of the model's \(score\), got 'fvc'"):
        dropout_sensitivity(model(), intercepts_only(), trial, "fvc", WEEK, seed=1)
    with pytest.raises(BadInput, match="someone is still observed"):
        dropout_sensitivity(model(), intercepts_only(), trial, "score", 300.0, seed=1)
    with pytest.raises(BadInput, match="reference: expected one of early, delayed, never_treated"):
        run(trial, reference="placebo")
    with pytest.raises(BadInput, match="begin with 0"):
        run(trial, deltas=(0.5, 1.0))
    with pytest.raises(BadInput, match="no events table"):
        run(trial, rule=LeavingRule(deaths="left_out"))
    with pytest.raises(BadConfig, match="as_followed"):
        LeavingRule(deaths="ignored")
