"""Simulated trials: seeds, tables, spreads, exits, and no difference where the truth has none."""

import numpy as np
import pandas as pd
import pytest

from bayesmodels.errors import BadInput
from bayesmodels.simulation import (
    EVENTS,
    StartGroup,
    TrialDesign,
    Truth,
    population_truth,
    published_truth,
    simulate,
    simulate_trial,
    trial_seed,
    valor_design,
    without_drug_effect,
    without_exits,
)
from bayesmodels.simulation.course import WEEKS_PER_MONTH
from bayesmodels.simulation.truth import FIELD_OF_SYMBOL, ByStratum
from bayesmodels.study import Study, read_study

TRUTH = published_truth()
DESIGN = valor_design()
SMOOTH = {
    "score_random_walk_sd": 0,
    "score_residual_sd": 0,
    "nfl_random_walk_sd": 0,
    "nfl_residual_sd": 0,
    "rate_sd": 0,
    "score_sd": 0,
    "nfl_sd": 0,
    "nfl_drift_sd": 0,
    "nfl_drop_sd": 0,
    "elasticity_log_sd": 0,
}


def complete(design: TrialDesign) -> TrialDesign:
    return design.model_validate({**design.model_dump(), "missed_visits": 0.0})


def wide(trial, outcome: str) -> pd.DataFrame:
    rows = trial.visits[trial.visits["outcome"] == outcome]
    return rows.pivot(index="person", columns="week", values="value").reindex(trial.persons["person"])


def test_truth_is_the_evidence_table():
    assert len(FIELD_OF_SYMBOL) == 36
    assert TRUTH.rate_mean == ByStratum(faster=1.35, slower=0.30)
    assert TRUTH.nfl_drop_mean == ByStratum(faster=0.95, slower=0.66)
    assert TRUTH.score_random_walk_sd == ByStratum(faster=1.2, slower=1.0)
    assert (TRUTH.nfl_lag, TRUTH.nfl_time_constant, TRUTH.elasticity) == (1.36, 1.08, 0.60)
    assert (TRUTH.slower_hazard_ratio, TRUTH.event_hazard) == (0.5, 0.0098)


def test_truth_refuses_unknown_names_and_impossible_values():
    with pytest.raises(BadInput, match=r"truth of the simulator, drop: Extra inputs"):
        published_truth({"drop": 1.0})
    with pytest.raises(BadInput, match=r"less than or equal to 1; got 1\.5"):
        published_truth({"nfl_rate_correlation": 1.5})
    with pytest.raises(BadInput, match=r"rate_mean \+ rate_shift must be positive"):
        simulate_trial(DESIGN, published_truth({"rate_mean": -1.0}), 1)


def test_design_has_valors_groups_and_strata():
    counts = [(g.name, g.drug_start_week, g.faster, g.slower) for g in DESIGN.start_groups]
    assert counts == [("early", 0.0, 39, 33), ("delayed", 30.0, 21, 15)]
    assert DESIGN.faster_share == pytest.approx(60 / 108)
    with pytest.raises(BadInput, match="each start group needs 2 persons or more"):
        valor_design(72, 1)


def test_a_trial_of_one_start_group(tmp_path):
    (folder,) = simulate(tmp_path, seed=3, n_early=10, n_delayed=0)
    assert read_study(folder).start_groups == ("early",)
    assert "difference" not in set(pd.read_csv(folder / "truth.csv")["quantity"])


def test_same_seed_same_trial_and_other_seed_another():
    first, again, other = (simulate_trial(DESIGN, TRUTH, seed) for seed in (5, 5, 6))
    for name in ("persons", "visits", "events", "hidden"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.hidden["rate"], other.hidden["rate"])


def test_trial_k_does_not_depend_on_how_many_are_asked_for(tmp_path):
    many = simulate(tmp_path / "many", seed=4, n_early=6, n_delayed=4, trials=3)
    few = simulate(tmp_path / "few", seed=4, n_early=6, n_delayed=4, trials=2)
    assert [folder.name for folder in many] == ["trial-001", "trial-002", "trial-003"]
    for name in ("persons", "visits", "events", "truth"):
        assert (many[1] / f"{name}.csv").read_bytes() == (few[1] / f"{name}.csv").read_bytes()
    assert (many[0] / "visits.csv").read_bytes() != (many[1] / "visits.csv").read_bytes()


def test_folder_is_a_study_and_truth_lies_beside_it(tmp_path):
    (folder,) = simulate(tmp_path, seed=2, n_early=20, n_delayed=10)
    study = read_study(folder, reference_group="delayed", strata=True)
    assert study.outcomes == ("nfl_plasma", "alsfrs_r")
    assert set(study.start_groups) == {"early", "delayed"}
    truth = pd.read_csv(folder / "truth.csv")
    assert truth.loc[truth["quantity"] == "seed", "value"].item() == 2
    drops = truth[truth["quantity"] == "parameter:nfl_drop_mean"].set_index("stratum")["value"]
    assert drops.to_dict() == {"faster": 0.95, "slower": 0.66}
    contrast = truth[(truth["quantity"] == "difference") & (truth["stratum"] == "all")]
    assert set(contrast["contrast"]) == {"early - delayed"}
    assert {28, 52, 76, 104, 148} <= set(contrast["week"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial-001"]
    with pytest.raises(BadInput, match="trial-001: exists already"):
        simulate(tmp_path, seed=2)


def test_tables_pass_the_checks_of_a_study():
    never = StartGroup(name="never", drug_start_week=np.inf, faster=8, slower=8)
    design = TrialDesign(start_groups=(*DESIGN.start_groups, never))
    trial = simulate_trial(design, TRUTH, 9)
    study = Study.from_frames(trial.persons, trial.visits, trial.events, reference_group="never", strata=True)
    assert len(study.persons) == 124
    assert trial.persons.loc[trial.persons["start_group"] == "never", "drug_start_week"].isna().all()
    assert trial.persons["person"].str.startswith("sim-").all()
    assert set(trial.events["event"]) <= set(EVENTS)
    scores = trial.visits.loc[trial.visits["outcome"] == "alsfrs_r", "value"]
    assert (scores == scores.round()).all()
    assert scores.between(0, 48).all()
    exits = trial.visits["person"].map(trial.events.set_index("person")["week"])
    assert (trial.visits["week"] <= exits).all()
    assert not trial.visits.duplicated(["person", "week", "outcome"]).any()


def test_without_noise_every_person_follows_the_mean_curve():
    truth = without_exits(published_truth({**SMOOTH, "rate_shift": 0.0}))
    trial = simulate_trial(complete(DESIGN), truth, 1)
    scores, nfl = wide(trial, "alsfrs_r"), np.log(wide(trial, "nfl_plasma"))
    weeks = np.array(DESIGN.visit_weeks)
    months = weeks / WEEKS_PER_MONTH
    fine = np.linspace(0, months[-1], 200_001)
    for group, start in (("early", 0.0), ("delayed", 30 / WEEKS_PER_MONTH)):
        for stratum, rate, drop, level in (("faster", 1.35, 0.95, 36.9), ("slower", 0.30, 0.66, 37.1)):
            chosen = ((trial.persons["start_group"] == group) & (trial.persons["stratum"] == stratum)).to_numpy()
            share = -np.expm1(-np.maximum(fine - start - 2.0 - 1.36, 0) / 1.08)
            decline = rate * np.exp(-0.025 * fine - 0.6 * drop * share)
            lost = np.interp(months, fine, np.concatenate([[0], np.cumsum(decline[1:] * np.diff(fine))]))
            expected = np.maximum(level - lost, 0)
            assert np.abs(scores[chosen].to_numpy() - expected).max() <= 0.51  # whole points
            late = 0.015 * np.maximum(months - start - 12, 0)
            shift = 0.12 * ((months >= 8.5) & (months <= 20))
            plateau = drop * -np.expm1(-np.maximum(months - start - 1.36, 0) / 1.08)
            drugless = nfl[chosen].to_numpy() + plateau + late - shift
            assert np.abs(drugless[:, weeks <= 8] - drugless[:, :1]).max() < 0.05  # drift: at most 0.02 a month
            if stratum == "slower":  # no drift
                assert np.abs(drugless - 3.6).max() < 1e-3


def test_spread_of_visits_in_a_large_trial():
    truth = without_exits(without_drug_effect(published_truth({"extension_shift": 0, "score_mean": 30, "score_sd": 3})))
    trial = simulate_trial(complete(valor_design(12_000, 6_000)), truth, 3)
    slower = (trial.persons["stratum"] == "slower").to_numpy()
    nfl = np.log(wide(trial, "nfl_plasma"))[slower]
    change = nfl[148.0] - nfl[0.0]
    t = 148 / WEEKS_PER_MONTH
    drift_variance = (0.02 * 8 * (1 - np.exp(-t / 8))) ** 2
    walk_variance = 0.10**2 * 10 * (1 - np.exp(-t / 10))
    assert change.std() == pytest.approx(np.sqrt(drift_variance + walk_variance + 2 * 0.13**2), rel=0.02)
    scores = wide(trial, "alsfrs_r")[slower]
    early_change = scores[4.0] - scores[0.0]
    t = 4 / WEEKS_PER_MONTH
    lost_variance = (0.48 * (1 - np.exp(-0.025 * t)) / 0.025) ** 2
    rounding = 2 / 12
    expected = np.sqrt(lost_variance + 1.0**2 * t + 2 * 1.1**2 + rounding)
    assert early_change.std() == pytest.approx(expected, rel=0.03)


def test_no_drug_effect_gives_no_difference():
    truth = without_drug_effect(TRUTH)
    table = population_truth(DESIGN, truth, persons=2_000)
    assert (table.loc[table["quantity"] == "difference", "value"] == 0).all()
    trial = simulate_trial(complete(valor_design(6_000, 6_000)), without_exits(truth), 8)
    faster = (trial.persons["stratum"] == "faster").to_numpy()
    early = (trial.persons["start_group"] == "early").to_numpy()
    for outcome in ("alsfrs_r", "nfl_plasma"):
        values = wide(trial, outcome)
        change = (values[148.0] - values[0.0]).to_numpy()
        difference = change[faster & early].mean() - change[faster & ~early].mean()
        error = np.sqrt(
            change[faster & early].var() / (faster & early).sum()
            + change[faster & ~early].var() / (faster & ~early).sum()
        )
        assert abs(difference) < 4 * error


def test_population_truth_agrees_with_a_large_trial():
    truth = without_exits(TRUTH)
    trial = simulate_trial(complete(valor_design(14_400, 7_200)), truth, 21)
    table = population_truth(DESIGN, truth, persons=10_000).set_index(["quantity", "outcome", "start_group", "stratum"])
    for outcome in ("alsfrs_r", "nfl_plasma"):
        values = wide(trial, outcome)
        values = np.log(values) if outcome == "nfl_plasma" else values
        for group in ("early", "delayed"):
            chosen = (trial.persons["start_group"] == group) & (trial.persons["stratum"] == "faster")
            change = values[chosen.to_numpy()].sub(values[chosen.to_numpy()][0.0], axis=0)
            expected = table.loc[("mean_change", outcome, group, "faster")].set_index("week")
            for week in (28, 52, 148):
                error = np.hypot(change[week].sem(), expected.loc[week, "monte_carlo_se"])
                assert change[week].mean() == pytest.approx(expected.loc[week, "value"], abs=4 * error)


def test_population_mixture_and_contrast_are_consistent():
    table = population_truth(DESIGN, TRUTH, persons=1_000, weeks=(0, 28, 148))
    means = table[(table["quantity"] == "mean") & (table["outcome"] == "alsfrs_r")]
    means = means.pivot_table(index=["start_group", "week"], columns="stratum", values="value")
    np.testing.assert_allclose(means["all"], 60 / 108 * means["faster"] + 48 / 108 * means["slower"])
    differences = table[(table["quantity"] == "difference") & (table["outcome"] == "alsfrs_r")]
    differences = differences.pivot_table(index="week", columns="stratum", values="value")
    np.testing.assert_allclose(differences["all"], means.loc["early", "all"] - means.loc["delayed", "all"], atol=1e-9)


def test_event_free_share_of_the_population_agrees_with_events():
    truth = Truth.model_validate({**without_exits(TRUTH).model_dump(), "event_hazard": TRUTH.event_hazard})
    trial = simulate_trial(valor_design(14_400, 7_200), truth, 13)
    table = population_truth(DESIGN, truth, persons=10_000)
    expected = table[(table["quantity"] == "event_free") & (table["week"] == 148) & (table["stratum"] == "faster")]
    for group, share in expected.set_index("start_group")["value"].items():
        chosen = (trial.persons["start_group"] == group) & (trial.persons["stratum"] == "faster")
        followed = trial.events.loc[chosen.to_numpy(), "week"] > 148
        error = np.sqrt(share * (1 - share) * (1 / len(followed) + 1 / 10_000))
        assert followed.mean() == pytest.approx(share, abs=4 * error)


def test_first_event_and_withdrawal_counts_are_near_the_published():
    """Expected counts to July 2021 in 72 / 36 within two Poisson SDs of the published (valor_counts.csv)."""
    july = simulate_trial(valor_design(7_200, 3_600), TRUTH, 17).as_of("july_2021")
    counts = pd.crosstab(july.persons["start_group"], july.events["event"]) / 100
    published = {
        ("early", "death"): 4,
        ("early", "ventilation"): 6,
        ("early", "withdrawal_progression"): 3,
        ("delayed", "death"): 3,
        ("delayed", "ventilation"): 2,
        ("delayed", "withdrawal_progression"): 5,
    }
    for (group, event), number in published.items():
        expected = counts.loc[group, event]
        assert abs(number - expected) < 2 * np.sqrt(expected), (group, event)


def test_as_of_cuts_visits_and_events_at_the_data_lock():
    trial = simulate_trial(DESIGN, TRUTH, 2)
    july = trial.as_of("july_2021")
    assert july.events["week"].between(0, 28.01 * WEEKS_PER_MONTH).all()
    assert set(july.visits["person"]) == set(trial.persons["person"])
    later = trial.events["week"].to_numpy() > trial.hidden["follow_up_july_2021"].to_numpy()
    assert (july.events.loc[later, "event"] == "none").all()
    pd.testing.assert_frame_equal(july.events[~later], trial.events[~later])
    with pytest.raises(BadInput, match="data lock 'june': expected one of july_2021, january_2022, end"):
        trial.as_of("june")


def test_missed_visits_happen_at_the_designs_rate_and_never_at_randomisation():
    truth = without_exits(TRUTH)
    trial = simulate_trial(valor_design(1_200, 600), truth, 30)
    seen = wide(trial, "alsfrs_r").notna()
    assert seen[0.0].all()
    later = seen.drop(columns=0.0).to_numpy()
    assert 1 - later.mean() == pytest.approx(0.03, abs=4 * np.sqrt(0.03 * 0.97 / later.size))
    assert (seen == wide(trial, "nfl_plasma").notna()).all().all()


def test_two_truths_with_one_seed_share_the_persons():
    with_drug = simulate_trial(DESIGN, TRUTH, trial_seed(1, 1))
    without = simulate_trial(DESIGN, published_truth({"elasticity": 0}), trial_seed(1, 1))
    np.testing.assert_array_equal(with_drug.hidden["rate"], without.hidden["rate"])
    np.testing.assert_array_equal(with_drug.hidden["log_nfl"], without.hidden["log_nfl"])
