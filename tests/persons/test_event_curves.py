"""Curves of a trial's population against closed forms, identities, and persons followed in small steps of time."""

from __future__ import annotations

import joint_study
import numpy as np
import pytest
from joint_study import CURVE_WEEKS, MONTH, POINT, WITHDRAWAL
from scipy.stats import norm

from bayesmodels.fitting.sampling import deterministics
from bayesmodels.models.visits.hazard_terms import hazard_scale
from bayesmodels.persons.summaries.events import NO_TERMINAL, event_curves, event_data
from bayesmodels.study import Study

STUDY = joint_study.study()
T = np.array(CURVE_WEEKS) / MONTH


def curves(model, point=None, **options):
    return event_curves(model, joint_study.draws_of(model.build(STUDY), point), STUDY, seed=4, **options)


@pytest.mark.parametrize("limits", [None, (0.0, 48.0)])
def test_without_associations_survival_is_weibull_and_the_living_are_like_everyone(limits):
    alone = {"associations": [], "covariates": []}
    outcomes = (joint_study.outcome(limits=limits),)
    model = joint_study.model(death=alone, withdrawal={"associations": []}, outcomes=outcomes)
    found = curves(model, persons=64 if limits is None else 20_000).isel(chain=0, draw=0)
    typical, shape = hazard_scale(model, STUDY).exposures[0].typical, np.exp(POINT["death_log_shape"])
    hazard = np.exp(POINT["death_log_hazard"]) * typical ** (1 - shape) * T**shape / shape
    np.testing.assert_allclose(found["survival"], np.broadcast_to(np.exp(-hazard), (2, 3, 5)), rtol=1e-9)
    fine = np.linspace(0, T[-1], 20001)
    alive = np.exp(-np.exp(POINT["death_log_hazard"]) * typical ** (1 - shape) * fine**shape / shape)
    np.testing.assert_allclose(
        found["rmst"].sel(start_group="early", stratum="all")[-1], np.trapezoid(alive, fine), rtol=1e-3
    )
    pm_model = model.build(STUDY)
    everyone = deterministics(pm_model, joint_study.draws_of(pm_model))["curve"].isel(chain=0, draw=0)
    error = 1e-9 if limits is None else 0.03  # within limits over quasi-random points; random ones would err by .09
    np.testing.assert_allclose(found["mean_alive"], everyone, atol=error)


def test_incidences_add_up_to_those_no_longer_there():
    found = curves(joint_study.model(withdrawal={"terminal": True}), persons=64)
    np.testing.assert_allclose(found["cumulative_incidence"].sum("event"), 1 - found["survival"], atol=1e-9)


@pytest.fixture(scope="module")
def followed():
    """Persons of the population by start group, followed in steps of .02 months: states, deaths, withdrawals."""
    rng = np.random.default_rng(8)
    model, copies, step = joint_study.model(), 250, 0.02
    scale, persons = hazard_scale(model, STUDY), STUDY.persons
    stratum = np.tile([STUDY.stratum_labels.index(s) for s in persons["stratum"]], copies)
    age = np.tile((persons["age"] - persons["age"].mean()) / persons["age"].std(ddof=0), copies)
    sd, rho = POINT["term_sd"][0], 2 * POINT["partial_correlation"][0] - 1
    factor = np.linalg.cholesky(np.outer(sd, sd) * np.array([[1, rho], [rho, 1]]))
    by_value, by_rate, leaving = POINT["hazard_association"]
    out = {}
    for group, start in (("early", 0.0), ("delayed", 28.0 / MONTH)):
        u = rng.standard_normal((len(stratum), 2)) @ factor.T
        level, rate, effect = POINT["term_mean"][:, stratum]
        level, rate = level + u[:, 0], rate + u[:, 1]
        grid = np.arange(step / 2, T[-1], step)
        death, left = np.full(len(u), np.inf), np.full(len(u), np.inf)
        for t in grid:
            value = level + rate * t + effect * max(t - start, 0.0) - scale.last_values[0]
            log_death = POINT["death_log_hazard"] + np.expm1(POINT["death_log_shape"]) * np.log(
                t / scale.exposures[0].typical
            )
            log_death = log_death + POINT["hazard_ratio"][0] * age + by_value * value
            log_death = log_death + by_rate * (rate + effect * (t > start))
            log_left = WITHDRAWAL[int(t >= 30 / MONTH)] + leaving * value
            died = np.isinf(death) & (rng.random(len(u)) < -np.expm1(-np.exp(log_death) * step))
            went = np.isinf(left) & (rng.random(len(u)) < -np.expm1(-np.exp(log_left) * step))
            death[died], left[went] = t, t
        state = level[:, None] + rate[:, None] * T + effect[:, None] * np.maximum(T - start, 0.0)
        out[group] = state, death, left
    return out


def error(values, where=None):
    """Four standard errors of a mean over the persons followed, values (person, week).

    The curves average probabilities over Sobol points: over six seeds their own error was a tenth of that, of the mean
    among the living half. A thousandth is added for the steps of time, .02 months long.
    """
    values = np.where(where, values, np.nan) if where is not None else values
    number = np.isfinite(values).sum(axis=0)
    return 4 * np.nanstd(values, axis=0) / np.sqrt(number) + 1e-3


def test_curves_are_those_of_persons_followed_in_small_steps(followed):
    found = curves(joint_study.model(), persons=4000).sel(stratum="all").isel(chain=0, draw=0)

    def agrees(curve, values, where=None):
        mean = np.nanmean(np.where(where, values, np.nan), axis=0) if where is not None else values.mean(axis=0)
        assert (np.abs(curve.to_numpy() - mean) < error(values, where)).all(), curve.name

    for group, (state, death, left) in followed.items():
        alive, own = death[:, None] > T, found.sel(start_group=group)
        agrees(own["survival"], alive.astype(float))
        first = np.minimum(death, left)[:, None] <= T
        for event, happened in (("death", death < left), ("withdrawal", left < death)):
            agrees(own["cumulative_incidence"].sel(event=event), (first & happened[:, None]).astype(float))
        agrees(own["mean_alive"].sel(outcome="score"), np.clip(state, 0, 48), alive)
        agrees(own["mean_composite"].sel(outcome="score"), np.where(alive, np.clip(state, 0, 48), 0.0))
        agrees(own["rmst"], np.minimum(death[:, None], T))
    scores = [np.where(d[:, None] > T, np.clip(s, 0, 48), -1.0) for s, d, _ in followed.values()]
    for j, by_model in enumerate(found["win_probability"].isel(outcome=0, contrast=0).to_numpy()):
        wins = (np.sign(scores[0][:, None, j] - scores[1][None, :, j]) + 1) / 2
        of_each = [wins.mean(axis=axis) for axis in (0, 1)]  # a mean over pairs: its error is that of persons of both
        assert abs(by_model - wins.mean()) < np.hypot(*(error(values[:, None])[0] for values in of_each))


def test_win_probability_is_the_normals_where_death_tells_nothing_of_the_course():
    """Alike survival S in both groups: S^2 Phi(gap / SD of a difference) + S (1 - S) + (1 - S)^2 / 2."""
    model = joint_study.model(death={"associations": [], "covariates": []}, withdrawal={"associations": []})
    draws = joint_study.draws_of(model.build(STUDY), number=40)
    found = event_curves(model, draws, STUDY, seed=6).mean(("chain", "draw"))
    sd, rho = POINT["term_sd"][0], 2 * POINT["partial_correlation"][0] - 1
    of_difference = np.sqrt(2 * (sd[0] ** 2 + (sd[1] * T) ** 2 + 2 * rho * sd[0] * sd[1] * T))
    for f, stratum in enumerate(STUDY.stratum_labels):
        alive = found["survival"].sel(start_group="early", stratum=stratum).to_numpy()
        gap = POINT["term_mean"][2, f] * (T - np.maximum(T - 28.0 / MONTH, 0.0))
        wins = alive**2 * norm.cdf(gap / of_difference) + alive * (1 - alive) + (1 - alive) ** 2 / 2
        own = found["win_probability"].sel(stratum=stratum).isel(outcome=0, contrast=0)
        np.testing.assert_allclose(own, wins, atol=0.002)  # .0005 of it is persons who meet themselves


def test_without_a_terminal_event_there_is_incidence_only_and_the_reason():
    found = curves(joint_study.model(death={"terminal": False}), persons=64)
    assert list(found.data_vars) == ["cumulative_incidence"]
    assert found.attrs["note"] == NO_TERMINAL
    assert "observed_survival" not in event_data(joint_study.model(death={"terminal": False}), STUDY)


def test_those_who_entered_late_are_counted():
    persons, visits, exits = joint_study.tables()
    late = Study.from_frames(
        persons, visits, exits.assign(entry_week=np.where(exits["person"].isin(["p4", "p5"]), 2.0, 0.0)),
        reference_group="delayed", strata=True, curve_weeks=CURVE_WEEKS,
    )  # fmt: skip
    assert event_data(joint_study.model(), late).attrs["entered_late"] == 2
    assert event_data(joint_study.model(), STUDY).attrs["entered_late"] == 0


def test_observed_curves_count_a_composite_once():
    either = {"name": "either", "of": ["death", "withdrawal"], "associations": []}
    model = joint_study.model().__class__(outcomes=(joint_study.outcome(),), events=(either,))
    found = event_data(model, STUDY)
    assert float(found["n_events"].sel(stratum="all").sum()) == (STUDY.events["event"] != "none").sum()
