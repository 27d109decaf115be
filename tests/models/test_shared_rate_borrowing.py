"""`SharedRateModel(borrowing=...)`: likelihood by SciPy, gradients, limits, refits, priors, and what is refused."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
import xarray as xr
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal, norm
from test_shared_rate import FULL, MONTH, POINT, RATE_SD, evaluate, expect_gradient
from test_shared_rate import tables as own_tables

from bayesmodels.errors import BadInput
from bayesmodels.fitting.evaluate import python_mode
from bayesmodels.fitting.refit import arrays_of
from bayesmodels.models import model_from_spec
from bayesmodels.models.presets import alsfrs_r, replaced
from bayesmodels.models.prior_table import prior_table
from bayesmodels.models.shared_rate.design import rate_layout
from bayesmodels.models.shared_rate.model import SharedRateModel
from bayesmodels.models.shared_rate.priors import SharedRatePriors
from bayesmodels.parts.borrowing import Commensurate, RobustMixture
from bayesmodels.persons.collapsed import collapsed
from bayesmodels.persons.log_likelihood import person_log_likelihood
from bayesmodels.statistics.borrowing import share_used
from bayesmodels.study import Study
from bayesmodels.trials.interim import as_of

OURS = {"trial": "ours"}
TRIALS = ("cohort", "old")


def tables(each=(5, 4)):
    """The platform of `test_shared_rate` with external persons of two trials before it, without calendar or regimen."""
    persons, visits, events = own_tables()
    rng = np.random.default_rng(8)
    more, seen, ends = [], [], []
    for trial, n in zip(TRIALS, each, strict=True):
        for number in range(n):
            label = f"{trial}-{number}"
            more.append((label, "placebo" if trial == "old" else "untreated", np.nan, trial, 55.0 + number))
            weeks = (0.0, 5.0, 13.0, 26.0)[: 1 + (number + 2) % 4]
            seen += [(label, week, "alsfrs_r", 35 - week / 3 + rng.normal(0, 2)) for week in weeks]
            ends.append((label, weeks[-1], ("none", "death", "moved")[number % 3]))
    persons = pd.concat(
        [
            pd.DataFrame(more, columns=["person", "start_group", "drug_start_week", "trial", "age"]),
            persons.assign(trial="ours"),
        ],
        ignore_index=True,
    )
    visits = pd.concat([visits, pd.DataFrame(seen, columns=visits.columns)], ignore_index=True)
    return persons, visits, pd.concat([events, pd.DataFrame(ends, columns=events.columns)], ignore_index=True)


def study(edit=None, trial="ours", each=(5, 4)):
    """`edit(persons, visits, events)` changes the tables in place, or returns others."""
    frames = tables(each)
    if edit:
        frames = edit(*frames) or frames
    return Study.from_frames(*frames, reference_group="placebo", curve_weeks=(0.0, 12.0, 24.0), trial=trial)


def model(borrowing, base=FULL):
    return replaced(base, {"borrowing": borrowing})


@cache
def built(kind="commensurate", **fields):
    return model({"type": kind, **OURS, **fields}).build(study())


LEVEL, SPREAD, ERROR_SD = np.array([35.5, 34.0]), np.array([0.5, 1.1]), np.array([1.3, 1.8])
SCORE, TAU = np.array([[[0.6, -1.1]]]), np.array([0.7])
MORE = {
    "external_drift_sd": TAU, "external_drift_score": SCORE, "external_mean_level": LEVEL,
    "external_rate_sd": SPREAD, "external_error_sd": ERROR_SD,
}  # fmt: skip


def densities_of(pm_model, *names):
    return [pm.logp(pm_model[name], pm_model.rvs_to_values[pm_model[name]], warn_rvs=False) for name in names]


def by_hand(data, drift, level):
    """Log-likelihood of external persons at `POINT`, in the order of the table: dense multivariate normals."""
    persons, visits = data.whole.persons, data.whole.visits
    age, found = data.persons["age"].mean(), []
    for row in persons[persons["trial"] != "ours"].itertuples():
        e = TRIALS.index(row.trial)
        own = visits[visits["person"] == row.person]
        t = np.exp(0.02 * (row.age - age)) * own["week"].to_numpy() * 12 / 52
        covariance = 5.5**2 + SPREAD[e] ** 2 * np.outer(t, t) + np.eye(len(t)) * ERROR_SD[e] ** 2
        mean = level[e] - 1.2 * np.exp(drift[e]) * t
        found.append(multivariate_normal(mean, covariance).logpdf(own["value"]))
    return np.array(found)


def test_external_likelihood_is_the_dense_normals_about_the_drifted_decline():
    pm_model, data = built(), study()
    drift = 0.5 * TAU * SCORE[0, 0]
    (found,) = evaluate(pm_model, densities_of(pm_model, "external_visits"), POINT | MORE)
    np.testing.assert_allclose(found, by_hand(data, drift, LEVEL), rtol=1e-10)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_external_likelihood_at_random_drifts_and_levels(seed):
    rng = np.random.default_rng(seed)
    score, level = rng.normal(size=(1, 1, 2)), rng.normal(36, 3, 2)
    point = POINT | MORE | {"external_drift_score": score, "external_mean_level": level}
    (found,) = evaluate(built(), densities_of(built(), "external_visits"), point)
    np.testing.assert_allclose(found, by_hand(study(), 0.5 * TAU * score[0, 0], level), rtol=1e-10)


def test_a_common_level_is_the_mean_over_our_persons():
    pm_model = built(level="common")
    point = {name: value for name, value in (POINT | MORE).items() if name != "external_mean_level"}
    (found,) = evaluate(pm_model, densities_of(pm_model, "external_visits"), point)
    level = np.full(2, POINT["level"].mean())  # four of our persons in each cell
    np.testing.assert_allclose(found, by_hand(study(), 0.5 * TAU * SCORE[0, 0], level), rtol=1e-10)
    assert "external_level" not in pm_model.named_vars


def test_gradient_of_the_whole_density_by_finite_differences():
    expect_gradient(built("robust_mixture"), seed=4)


def test_our_persons_have_the_density_of_the_model_without_borrowing():
    pm_model, alone = built(), FULL.build(study())
    assert {rv.name for rv in pm_model.free_RVs} - {rv.name for rv in alone.free_RVs} == set(MORE)
    ours = evaluate(pm_model, densities_of(pm_model, "visits", "exits"), POINT | MORE)
    for with_it, without in zip(ours, evaluate(alone, densities_of(alone, "visits", "exits"), POINT), strict=True):
        np.testing.assert_array_equal(with_it, without)
    names = [v.name for v in alone.deterministics]
    values = evaluate(pm_model, [pm_model[name] for name in names], POINT | MORE)
    for name, with_it, without in zip(names, values, evaluate(alone, list(alone.deterministics), POINT), strict=True):
        np.testing.assert_array_equal(with_it, without, err_msg=name)


def test_published_drift_rates_and_levels_by_hand():
    pm_model = built()
    published = {v.name for v in pm_model.deterministics} - {v.name for v in FULL.build(study()).deterministics}
    assert published == {
        "trial_drift", "external_log_rate", "external_log_rate_sd", "reference_rate", "external_level"
    }  # fmt: skip
    names = sorted(published)
    found = dict(zip(names, evaluate(pm_model, [pm_model[name] for name in names], POINT | MORE), strict=True))
    drift = 0.5 * TAU * SCORE[0, 0]
    np.testing.assert_allclose(found["external_log_rate"], drift)
    assert found["external_log_rate_sd"] == pytest.approx(0.35)
    rate = -1.2 * (365.25 / 12 / 7) / MONTH
    np.testing.assert_allclose(found["reference_rate"], [[rate]])
    np.testing.assert_allclose(found["reference_rate"][..., None] + found["trial_drift"], [[rate * np.exp(drift)]])
    np.testing.assert_allclose(found["external_level"], [[LEVEL]])


def test_the_narrow_component_has_its_posterior_probability():
    pm_model = built("robust_mixture", weight=0.7, wide=1.5)
    point = {name: value for name, value in (POINT | MORE).items() if name != "external_drift_sd"}
    (narrow,) = evaluate(pm_model, [pm_model["narrow_drift_probability"]], point)
    parts = [np.log(0.7) + norm.logpdf(SCORE, 0, 0.1), np.log(0.3) + norm.logpdf(SCORE, 0, 1.5)]
    np.testing.assert_allclose(narrow, expit(parts[0] - parts[1]))


def test_a_trial_without_two_visits_of_anyone_has_no_drift():
    def once(persons, visits, events):
        old = persons.loc[persons["trial"] == "old", "person"]
        return persons, visits[~visits["person"].isin(old) | (visits["week"] == 0)], events

    pm_model = model(RobustMixture(**OURS)).build(study(once))
    point = {name: value for name, value in (POINT | MORE).items() if name != "external_drift_sd"}
    names = ["trial_drift", "external_log_rate", "narrow_drift_probability", "external_level"]
    for found in evaluate(pm_model, [pm_model[name] for name in names], point):
        assert np.isfinite(found[..., 0]).all()
        assert np.isnan(found[..., 1]).all()


PLAIN = SharedRateModel()


def moved(pm_model, start, **values):
    """Log density with some free variables at other values."""
    return [
        float(pm_model({**start, **{name: np.asarray(v, float) for name, v in zip(values, row, strict=True)}}))
        for row in zip(*values.values(), strict=True)
    ]


def declining_tables():
    """Tables in which external persons have four visits each and decline for sure."""
    rng = np.random.default_rng(5)
    persons, visits, events = tables((40, 0))
    labels = persons.loc[persons["trial"] == "cohort", "person"]
    visits = visits[~visits["person"].isin(labels)]
    rate = rng.normal(1.3, 0.5, len(labels))
    more = [
        (label, week, "alsfrs_r", 36 - own * week / MONTH + rng.normal(0, 1.5))
        for label, own in zip(labels, rate, strict=True)
        for week in (0.0, 8.0, 16.0, 26.0)
    ]
    events = events.assign(week=events["week"].where(~events["person"].isin(labels), 26.0))
    return persons, pd.concat([visits, pd.DataFrame(more, columns=visits.columns)], ignore_index=True), events


def test_without_drift_external_persons_are_as_if_of_our_control():
    persons, visits, events = declining_tables()
    options = {"reference_group": "placebo", "curve_weeks": (0.0, 24.0)}
    data = Study.from_frames(persons, visits, events, trial="ours", **options)
    borrowing = model(Commensurate(**OURS, tau=1e-9), PLAIN).build(data)
    everyone = Study.from_frames(
        persons.assign(start_group=persons["start_group"].replace("untreated", "placebo")),
        visits, events.assign(event=events["event"].replace("moved", "none")), **options,
    )  # fmt: skip
    pooled = PLAIN.build(everyone)
    control = [cell.endswith("placebo") for cell in pooled.coords["cell"]].index(True)
    point = {name: value for name, value in POINT.items() if name in {rv.name for rv in pooled.free_RVs}}
    point |= {"level": POINT["level"][:3], "error_sd": POINT["error_sd"][:3]}
    more = {
        "external_drift_score": np.ones((1, 1, 1)), "external_mean_level": point["level"][[control]],
        "external_rate_sd": RATE_SD[[2]],
        "external_error_sd": point["error_sd"][[control]],
    }  # fmt: skip
    (found,) = evaluate(borrowing, densities_of(borrowing, "external_visits"), point | more)
    (expected,) = evaluate(pooled, densities_of(pooled, "visits"), point)
    outside = (everyone.persons["trial"] != "ours").to_numpy()
    np.testing.assert_allclose(found, expected[outside], rtol=1e-8)


def test_with_any_drift_possible_our_decline_is_known_as_without_borrowing():
    """Given the other parameters, and the drift integrated out on a grid."""
    data = Study.from_frames(*declining_tables(), reference_group="placebo", curve_weeks=(0.0, 24.0), trial="ours")
    tau = 100.0  # SD of 50 in the logarithm: flat
    pm_model, alone = model(Commensurate(**OURS, tau=tau), PLAIN).build(data), PLAIN.build(data)
    start, without = pm_model.initial_point(), alone.initial_point()
    density, density_alone = (m.compile_logp(mode=python_mode()) for m in (pm_model, alone))
    rates, drifts = np.linspace(0.7, 1.6, 7), np.linspace(-1.6, 1.6, 161)
    gap = []
    for rate in rates:
        z = drifts / (0.5 * tau)
        row = moved(density, start, mean_rate=[rate] * len(z), external_drift_score=z.reshape(-1, 1, 1, 1))
        gap.append(logsumexp(row) - moved(density_alone, without, mean_rate=[rate])[0])
    np.testing.assert_allclose(gap, gap[0], atol=1e-3)
    pooled = moved(density, start, mean_rate=rates, external_drift_score=np.zeros((7, 1, 1, 1)))
    assert np.ptp(np.array(pooled) - moved(density_alone, without, mean_rate=rates)) > 3  # which borrows


def test_share_used_of_a_drift_on_the_logarithm_is_the_gain_in_relative_precision():
    """On a grid: rates with normal likelihoods in points a month, a mixture prior of the log ratio."""
    own, external, centre = 0.06, 0.03, 1.25
    mu, d = np.linspace(0.7, 1.5, 801), np.linspace(-1.0, 1.0, 1601)
    prior = 0.5 * norm.pdf(d, 0, 0.05) + 0.5 * norm.pdf(d, 0, 0.5)
    for rate in (1.2, 1.0):
        w = norm.pdf(mu, rate, own)[:, None] * norm.pdf(mu[:, None] * np.exp(d), centre, external) * prior
        w /= w.sum()
        place = np.random.default_rng(2).choice(w.size, 200_000, p=w.ravel())
        ours, drift = mu[place // len(d)], d[place % len(d)]
        used = share_used(np.log(ours), np.log(ours) + drift)
        gain = (ours.mean() ** 2 / ours.var() - (ours.mean() / own) ** 2) * (external / centre) ** 2
        assert used == pytest.approx(gain, abs=0.04)


def test_persons_published_and_compared_are_ours():
    pm_model = built()
    assert len(pm_model.coords["person"]) == 16
    assert pm_model.coords["external_trial"] == TRIALS
    draws = xr.Dataset(
        {
            name: (("chain", "draw", *(f"{name}_{j}" for j in range(np.ndim(v)))), np.asarray(v, float)[None, None])
            for name, v in (POINT | MORE).items()
        }
    )
    found = person_log_likelihood(pm_model, draws)
    assert list(found.data_vars) == ["visits", "exits"]
    assert found.sizes["person"] == 16
    (draw,) = collapsed(pm_model).at(draws)
    assert len(draw.y) == 16


def test_other_persons_fit_the_compiled_layout_and_other_trials_do_not():
    borrowing = model(RobustMixture(**OURS))
    layout = rate_layout(borrowing, study())
    assert layout.external == TRIALS

    def one_trial(persons, visits, events):
        gone = persons.loc[persons["trial"] == "cohort", "person"]
        return tuple(frame[~frame["person"].isin(gone)] for frame in (persons, visits, events))

    arrays = borrowing.arrays(study(one_trial), layout)
    assert arrays["external_person_stratum"].tolist() == [1] * 4  # `old` keeps its place
    assert set(arrays) == set(arrays_of(borrowing, study()))
    with pytest.raises(BadInput, match=r"trials \(cohort, old\), got besides: newer; build the model anew"):
        borrowing.arrays(study(lambda p, v, e: p.update(p[["trial"]].replace("old", "newer"))), layout)
    with pytest.raises(BadInput, match=r"expected the study of the trial 'ours'"):
        borrowing.arrays(study(_ours_only, trial=None), layout)


def _ours_only(persons, visits, events):
    gone = persons.loc[persons["trial"] != "ours", "person"]
    return tuple(frame[~frame["person"].isin(gone)] for frame in (persons, visits, events))


def test_covariates_of_external_persons_are_centred_at_our_mean():
    data = study()
    persons = data.whole.persons
    expected = persons.loc[persons["trial"] != "ours", "age"] - data.persons["age"].mean()
    arrays = model(RobustMixture(**OURS)).arrays(data)
    np.testing.assert_allclose(arrays["external_centred_covariates"][:, 0], expected)


def test_external_persons_are_there_in_full_at_an_interim_look():
    data, borrows = study(), model(RobustMixture(**OURS))
    day = float(data.persons[FULL.calendar_column].median())
    known = as_of(data, day, FULL.calendar_column)
    assert len(known.persons) < len(data.persons)
    layout = rate_layout(borrows, data)
    then, end = borrows.arrays(known, layout), borrows.arrays(data, layout)
    assert len(then["visits_observed"]) == len(known.persons)
    np.testing.assert_array_equal(then["external_visits_observed"], end["external_visits_observed"])


def test_every_problem_is_told_at_once():
    borrows = model(RobustMixture(trial="another"), replaced(FULL, {"calendar_column": "day_of_birth"}))
    with pytest.raises(BadInput) as told:
        rate_layout(borrows, study())
    assert any("day_of_birth" in line for line in told.value.problems)
    assert any("another" in line for line in told.value.problems)


def test_priors_are_listed_with_the_unit_of_the_drift():
    without = prior_table(SharedRateModel(), None)
    for kind, rows in (("commensurate", 5), ("robust_mixture", 4)):
        table = prior_table(model({"type": kind, **OURS}, PLAIN), None)
        assert len(table) == len(without) + rows
        assert (table["source"] != "").all()
        assert (table["unit"] != "").all()
    of = prior_table(model(Commensurate(**OURS), PLAIN)).set_index("parameter")
    assert of.loc["SD of drift", ["prior", "unit"]].tolist() == ["HalfNormal(0.25)", "log rate"]
    assert (
        "0.5 of log rate (assumption: SD over mean of the prior of alsfrs_r's rate" in of.loc["SD of drift", "source"]
    )
    drift = "log of external rate over ours (drift)"
    of = prior_table(model(RobustMixture(**OURS), PLAIN)).set_index("parameter")
    assert of.loc[drift, ["prior", "unit"]].tolist() == ["0.5 Normal(0, 0.05) + 0.5 Normal(0, 0.5)", "log rate"]
    assert of.loc["mean level of an external trial", "prior"] == "Normal(38, 10)"
    assert of.loc["person SD of decline, external trial", "prior"] == "Uniform(0, 2)"
    assert of.loc["residual SD, external trial", "prior"] == "Uniform(0, 4)"
    changed = SharedRateModel(
        priors=SharedRatePriors(external_log_rate_unit=0.2), borrowing=RobustMixture(**OURS, level="common")
    )
    of = prior_table(changed).set_index("parameter")
    assert of.loc[drift, "prior"] == "0.5 Normal(0, 0.02) + 0.5 Normal(0, 0.2)"
    assert "stated by the user" in of.loc[drift, "source"]
    assert "by the user" not in of.loc["mean decline", "source"]
    assert "mean level of an external trial" not in of.index


def test_the_unit_is_the_relative_prior_sd_of_the_other_models_rate_and_the_page_says_so():
    rate = alsfrs_r().rate_prior
    unit = SharedRatePriors().external_log_rate_unit
    assert unit == pytest.approx(rate.sd / abs(rate.mean))
    page = (Path(__file__).parents[2] / "docs" / "models" / "shared_rate.md").read_text()
    assert re.search(rf"`external_log_rate_unit`[^.]*{unit:g}", page)


def test_a_model_that_borrows_is_the_same_after_json_and_from_a_configuration():
    for borrowing in (None, Commensurate(**OURS, tau=0.2), RobustMixture(**OURS, weight=0.8, level="common")):
        own = model(borrowing)
        assert SharedRateModel.model_validate_json(own.model_dump_json()) == own
    read = model_from_spec({"type": "shared_rate", "borrowing": {"type": "commensurate", **OURS}})
    assert read.borrowing == Commensurate(**OURS)
    assert "borrowing = Commensurate" in repr(read)


def started(persons, visits, events):
    persons.loc[persons["trial"] == "old", "drug_start_week"] = [0.0, np.nan, np.nan, 12.0]


def censored(persons, visits, events):
    visits["censoring"] = ""
    visits.loc[visits["person"] == "old-1", "censoring"] = "left"


def unseen(persons, visits, events):
    outside = persons.loc[persons["trial"] != "ours", "person"]
    external = visits["person"].isin(outside)
    visits.loc[external, "outcome"] = "svc"


def once_each(persons, visits, events):
    outside = persons.loc[persons["trial"] != "ours", "person"]
    return persons, visits[~visits["person"].isin(outside) | (visits["week"] == 0)], events


def without_age(persons, visits, events):
    persons.loc[persons["person"] == "cohort-1", "age"] = np.nan


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (started, (r"persons, row \d+ .*never start the drug, got a start in week 0", r"got a start in week 12")),
        (censored, (r"exact values of alsfrs_r of external persons, got \d censored ones",)),
        (unseen, (r'expected visits of external persons of an outcome of the model \("alsfrs_r"\), found none',)),
        (once_each, (r"expected external persons with two visits or more of an outcome, got none",)),
        (without_age, (r"persons, row 3 \(person cohort-1\): expected a number as covariate age",)),
    ],
)
def test_external_persons_that_cannot_be_borrowed_from_are_refused(edit, lines):
    with pytest.raises(BadInput) as error:
        model(Commensurate(**OURS)).build(study(edit))
    for line in lines:
        assert re.search(line, str(error.value)), str(error.value)


def test_a_study_of_everyone_or_of_another_trial_is_refused():
    with pytest.raises(BadInput, match=r'expected the study of the trial \'ours\'.*trial = "ours"'):
        model(Commensurate(**OURS)).build(study(_ours_only, trial=None))
    with pytest.raises(BadInput, match=r"expected that of the trial 'old', as \[model\] borrowing says, got that of"):
        model(Commensurate(trial="old")).build(study())


def test_trials_that_are_taken_for_one_or_left_out_are_said():
    (line,) = FULL.warnings(study())
    assert "9 persons of other trials than ours take no part: the model borrows nothing" in line
    assert model(Commensurate(**OURS)).warnings(study()) == []
    (line,) = FULL.warnings(study(trial=None))
    assert "persons of 3 trials" in line


def test_exits_of_external_persons_enter_nothing():
    def died(persons, visits, events):
        outside = persons.loc[persons["trial"] != "ours", "person"]
        events.loc[events["person"].isin(outside), "event"] = "death"

    names = ("visits", "exits", "external_visits")
    found = evaluate(built(), densities_of(built(), *names), POINT | MORE)
    other = model(Commensurate(**OURS)).build(study(died))
    for ours, theirs in zip(found, evaluate(other, densities_of(other, *names), POINT | MORE), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_function_of_free_variables_has_no_constant_of_the_data():
    """New data change the density without building anew."""
    pm_model, borrowing = built("robust_mixture"), model(RobustMixture(**OURS))
    fewer = study(each=(3, 3))
    with pm_model:
        point = {name: value for name, value in (POINT | MORE).items() if name != "external_drift_sd"}
    function = pytensor.function(
        pm_model.free_RVs, densities_of(pm_model, "external_visits")[0], mode=python_mode(), on_unused_input="ignore"
    )
    kept = {held.name: held.get_value() for held in pm_model.data_vars}
    try:
        for name, array in borrowing.arrays(fewer, rate_layout(borrowing, study())).items():
            pm_model[name].set_value(array.astype(pm_model[name].dtype))
        found = function(*(point[rv.name] for rv in pm_model.free_RVs))
    finally:
        for name, array in kept.items():
            pm_model[name].set_value(array)
    expected = borrowing.build(fewer)
    (anew,) = evaluate(expected, densities_of(expected, "external_visits"), point)
    np.testing.assert_allclose(found, anew, rtol=1e-12)
