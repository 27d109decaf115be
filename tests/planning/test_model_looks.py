"""Interim looks with a fitted model: what is known on a day, one compiled model, rows, rules, and what is refused."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from changes_model import Changes, changes
from scipy import stats
from test_run import invoke

from bayesmodels import LongitudinalModel, NutsSettings, Outcome, plan_trial
from bayesmodels.errors import BadInput
from bayesmodels.models.outcome import Typical
from bayesmodels.parts.effects import SlopeChange
from bayesmodels.planning import Grid, InterimLooks, PlannedEndpoint
from bayesmodels.planning.design_plan import LOOKS, design_plan
from bayesmodels.planning.fast import look_rows, observed
from bayesmodels.planning.grid import ENTRY, SOON, cells_of
from bayesmodels.planning.job import DesignCost, _header, _rows
from bayesmodels.planning.looks import LOOK_COLUMNS, looks_at, looks_table, outcomes_of_looks
from bayesmodels.planning.model_looks import CONVERGENCE_OF_LOOK, entered, known_at
from bayesmodels.planning.page import page
from bayesmodels.planning.results import PlannedTrial
from bayesmodels.simulation import SimulatedTrial, simulate_arrays, simulate_trial
from bayesmodels.simulation.course import WEEKS_PER_MONTH
from bayesmodels.trials.operating import OF_THE_MACHINE
from bayesmodels.trials.plan import TRIAL, Plan
from bayesmodels.trials.refits import ModelFits
from bayesmodels.trials.truths import Design, GeneratorTruth, Reading

FUNCTION = PlannedEndpoint(name="function", outcome="alsfrs_r")
TWO = InterimLooks(
    endpoint="function", fractions=(0.4, 0.7), success=(0.99, 0.98), futility=(0.1, 0.2), futility_by="posterior"
)
SCORE = Outcome(
    name="alsfrs_r", unit="points", good_direction="up", typical=Typical(level=38, spread=6, rate=1),
    effect=SlopeChange(),
)  # fmt: skip


# What is known on a day ----------------------------------------------------------------------------------------------


def by_hand():
    """Four persons who entered 0, 10, 20 and 40 weeks after the first; one died at week 12.5, one left at week 9."""
    persons = pd.DataFrame({"person": list("abcd"), "start_group": ["early", "delayed"] * 2})
    weeks = {"a": (0, 4, 12), "b": (0, 4, 28), "c": (0, 8), "d": (0, 4, 28)}
    visits = pd.DataFrame([(who, float(week), "alsfrs_r", 40.0) for who, own in weeks.items() for week in own])
    visits.columns = ["person", "week", "outcome", "value"]
    events = pd.DataFrame(
        {"person": list("abcd"), "week": [12.5, 28.04, 9.0, 28.04], "event": ["death", "none", "withdrawal", "none"]}
    )
    hidden = pd.DataFrame({f"follow_up_{ENTRY}": SOON * WEEKS_PER_MONTH + np.array([40.0, 30, 20, 0])}, list("abcd"))
    return SimulatedTrial(persons, visits, events, hidden, None, None)


@pytest.mark.parametrize(
    ("day", "visits", "events"),
    [
        (28.0, "a0 a4 a12 b0 b4 c0 c8", "a 12.5 death, b 18 none, c 8 none"),
        (29.0, "a0 a4 a12 b0 b4 c0 c8", "a 12.5 death, b 19 none, c 9 withdrawal"),
        (12.0, "a0 a4 a12 b0", "a 12 none, b 2 none"),
        (10.0, "a0 a4 b0", "a 10 none, b 0.01 none"),
        (38.0, "a0 a4 a12 b0 b4 b28 c0 c8", "a 12.5 death, b 28 none, c 9 withdrawal"),
        (99.0, "a0 a4 a12 b0 b4 b28 c0 c8 d0 d4 d28", "a 12.5 death, b 28.04 none, c 9 withdrawal, d 28.04 none"),
    ],
)
def test_tables_hold_what_had_happened_by_a_day(day, visits, events):
    trial = by_hand()
    np.testing.assert_allclose(entered(trial), [0, 10, 20, 40])
    known = known_at(trial, day)
    assert " ".join(f"{row.person}{row.week:g}" for row in known.visits.itertuples()) == visits
    assert ", ".join(f"{row.person} {row.week:g} {row.event}" for row in known.events.itertuples()) == events
    assert known.persons["person"].tolist() == known.events["person"].tolist() == known.hidden.index.tolist()


def test_a_simulated_trial_is_cut_by_calendar_weeks():
    """Each visit and exit counted from its own calendar week; persons are those whom the fast analysis has enrolled."""
    (cell,), _ = cells_of(Grid(persons=(60,), dropout=(3.0,)), Design(), GeneratorTruth(), (0,))
    trial = simulate_trial(cell.design.trial, cell.truth.generator, 5)
    arrays = observed(simulate_arrays(cell.design.trial, cell.truth.generator, 5), (28,))
    np.testing.assert_allclose(entered(trial), arrays.entry_weeks)
    entry = dict(zip(trial.persons["person"], entered(trial), strict=True))
    early = InterimLooks(endpoint="function", fractions=(0.1, 0.4), success=(0.9, 0.9))
    for row in look_rows(arrays, (FUNCTION,), 28, early)[:2]:
        known, day = known_at(trial, row["calendar_weeks"]), row["calendar_weeks"] + 1e-6
        assert len(known.persons) == row["enrolled"] < 60
        happened = trial.visits["person"].map(entry) + trial.visits["week"] <= day
        pd.testing.assert_frame_equal(known.visits, trial.visits[happened].reset_index(drop=True))
        ended = trial.events[(trial.events["person"].map(entry) + trial.events["week"] <= day)]
        exits = ended[ended["event"] != "none"]
        assert known.events.query("event != 'none'").to_numpy().tolist() == exits.to_numpy().tolist()
        still = known.events[(known.events["event"] == "none") & (known.events["week"] < 28)]
        np.testing.assert_allclose(still["week"], row["calendar_weeks"] - still["person"].map(entry), atol=0.006)


def test_the_final_analysis_is_after_the_last_endpoint_that_a_model_reads():
    """Ten persons, one every 5 weeks; looks when 4, 7 and all have reached week 28; follow-up ends at week 52."""
    entry = np.arange(10) * 5.0
    looks = looks_at(entry[::-1], TWO, 28, 52)
    assert [look.calendar_weeks for look in looks] == [15 + 28, 30 + 28, 45 + 52]
    assert [look.enrolled for look in looks] == [9, 10, 10]
    assert [look.fraction for look in looks] == [0.4, 0.7, 1]
    assert looks_at(entry, TWO, 28)[2].calendar_weeks == 45 + 28


# Rows of fits --------------------------------------------------------------------------------------------------------


def planned(model, persons, interim, endpoints=(FUNCTION,), draws=60, **reading):
    return design_plan(
        grid=Grid(persons=persons, decline_removed=(0.4,)), endpoints=endpoints, design=Design(),
        truth=GeneratorTruth(), assurance=None, interim=interim, model=model,
        settings=NutsSettings(chains=1, tune=60, draws=draws), reading=Reading(**reading), seed=5, interval=0.95,
    )[0]  # fmt: skip


@pytest.fixture(scope="module")
def strata():
    """Two trials of a longitudinal model with strata, two looks each."""
    return planned(LongitudinalModel(outcomes=(SCORE,)), (30, 44), TWO, strata=True)


@pytest.fixture(scope="module")
def fitted(strata):
    return [strata.fit(number) for number in range(2)]


def test_rows_of_looks_are_those_of_the_fast_analysis(strata, fitted):
    for number, (rows, _) in enumerate(fitted):
        assert [row["kind"] for row in rows] == ["rule", "look", "look", "look"]
        cell = strata.cell_of(number)
        arrays = observed(simulate_arrays(cell.design.trial, cell.truth.generator, strata.stream(number, TRIAL)), (28,))
        for row, fast in zip(rows[1:], look_rows(arrays, (FUNCTION,), 28, TWO), strict=True):
            assert set(row) == set(fast) | {*CONVERGENCE_OF_LOOK, "truth", "favourable"}
            same = ("kind", "rule", "outcome", "week", "look", "fraction", "calendar_weeks", "enrolled")
            assert [row[name] for name in same] == [fast[name] for name in same]
            assert row["analysed"] == row["enrolled"]
            assert row["predictive"] is None
            assert 0 <= row["probability"] <= 1
        final, last = rows[0], rows[-1]
        assert all(last[name] == final[name] for name in ("mean", "sd", "probability"))


def test_the_final_analysis_is_the_same_without_looks(strata, fitted):
    alone = replace(strata, interim=None)
    assert alone._fits is strata._fits
    for number, (rows, facts) in enumerate(fitted):
        found, own = alone.fit(number)
        assert found == rows[:1]
        assert {**own, "compile_seconds": 0} == {**facts, "compile_seconds": 0}


def test_the_chains_of_each_look_have_the_seed_of_its_own_stream(strata, monkeypatch):
    used = []

    def note(fits, study, settings):
        used.append(settings.seed)
        raise RuntimeError("only the seed is looked at")

    monkeypatch.setattr(ModelFits, "fit", note)
    monkeypatch.setattr(Plan, "fit", lambda plan, number: ([], {}))
    for number in (0, 1):
        strata._model(strata.cell_of(number), strata.truth_of(number)[0], number)
    assert used == [strata.seed_of(number, LOOKS, look) for number in (0, 1) for look in (1, 2)]
    assert len({*used, strata.seed_of(0), strata.seed_of(1)}) == 6


def test_no_look_compiles_the_model_anew_and_each_has_its_own_strata(strata, fitted):
    """The mixture of strata weighs them by the persons at the look: other shares than those it was compiled with."""
    assert [row["compiled"] for rows, _ in fitted for row in rows[1:]] == [False] * 6
    assert not any(facts["compiled"] for _, facts in fitted)
    assert all(row["why"] is None and row["min_ess_bulk"] > 0 for rows, _ in fitted for row in rows[1:])
    cell = strata.cell_of(1)
    plan = strata._plan(cell, cell.truth)
    source = plan.source.source
    known = source.read(known_at(source.simulated(strata.stream(1, TRIAL)), fitted[1][0][1]["calendar_weeks"]))
    draws, facts = plan.fits.fit(known, NutsSettings(chains=1, tune=60, draws=60, seed=3, progress=False))
    assert not facts["compiled"]
    own = draws["difference"].sel(outcome="alsfrs_r", week=28.0).squeeze(drop=True)
    shares = known.persons["stratum"].value_counts(normalize=True)
    assert shares["faster"] != plan.source.trial(strata.stream(0, TRIAL)).persons["stratum"].eq("faster").mean()
    mixed = sum(shares[name] * own.sel(stratum=name) for name in ("faster", "slower"))
    np.testing.assert_allclose(own.sel(stratum="all"), mixed, rtol=1e-9)


CONFIG = """
[planning]
engine = "model"
trials = 2
seed = 3

[grid]
persons = [40]
decline_removed = [0.4]

[[endpoints]]
name = "function"
outcome = "alsfrs_r"

[interim]
endpoint = "function"
fractions = [0.4, 0.7]
futility = [0.2, 0.3]
futility_by = "posterior"

[model]
type = "changes_model:Changes"

[sampling]
chains = 1
tune = 200
draws = 1000
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("looks")
    (place / "planned.toml").write_text(CONFIG)
    done = invoke("design", place / "planned.toml", "--out", place / "out")
    assert done.exit_code == 0, done.stderr
    return place


def test_a_look_is_the_posterior_of_what_was_known(folder):
    """The model's posterior is known: P(favours) of the normal, of those seen at week 28 by the day of the look."""
    rows = pd.read_parquet(folder / "out" / "rows.parquet")
    looks = rows[rows["kind"] == "look"]
    assert len(looks) == 6
    assert looks[list(LOOK_COLUMNS[:-1])].notna().all(axis=None)
    plan = planned(Changes(), (40,), TWO)
    plan = replace(plan, seed=3)
    source = plan._plan(plan.cells[0], plan.cells[0].truth).source.source
    seen = []
    for row in looks.itertuples():
        known = source.read(known_at(source.simulated(plan.stream(row.fit, TRIAL)), row.calendar_weeks))
        change, group = changes(known)
        seen.append(len(change))
        n = np.bincount(group)
        mean = [change[group == g].sum() / 64 / (n[g] / 64 + 1 / 400) for g in (0, 1)]
        sd = np.sqrt(sum(1 / (n[g] / 64 + 1 / 400) for g in (0, 1)))
        assert row.probability == pytest.approx(stats.norm.cdf((mean[0] - mean[1]) / sd), abs=0.08)
        assert row.mean == pytest.approx(mean[0] - mean[1], abs=0.25 * sd)
    assert seen[0] < seen[1] < seen[2]


def test_the_same_rows_from_python_and_from_the_command(folder):
    rows = pd.read_parquet(folder / "out" / "rows.parquet").drop(columns=list(OF_THE_MACHINE))
    with ThreadPoolExecutor(2) as executor:
        found = plan_trial(
            grid=Grid(persons=(40,), decline_removed=(0.4,)), endpoints=[FUNCTION], model=Changes(), trials=2, seed=3,
            interim=TWO, settings=NutsSettings(chains=1, tune=200, draws=1000), executor=executor,
        )  # fmt: skip
    own = found.rows.drop(columns=list(OF_THE_MACHINE))
    pd.testing.assert_frame_equal(own, rows, check_dtype=False)
    assert found.looks["trials"].item() == 2
    assert len(found.fits_at_looks) == 4
    assert not found.fits_at_looks["compiled"].any()


def test_the_page_says_what_a_look_is_of_and_which_fits_there_are(folder):
    text = (folder / "out" / "report.html").read_text()
    assert "At 0.4 of the persons: futility where the probability &lt; 0.2." in text
    assert "The model is fitted to all that is known by then" in text
    assert "predictive probability" not in text
    assert "Fits at interim looks" in text
    table = pd.read_csv(folder / "out" / "tables" / "looks.csv")
    assert {"futility_at_0.4", "futility_at_0.7", "expected_persons"} <= set(table)


def test_a_dry_run_measures_all_fits_of_a_trial(folder):
    done = invoke("design", folder / "planned.toml", "--out", folder / "dry", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "(measured now, mean over the cells; 3 fits each: 2 interim looks and the final analysis)" in done.stdout
    assert "fits each" not in DesignCost(10, 1, 1.0, 0.0, fits_a_trial=1).sentence()


def test_a_look_with_a_group_missing_is_not_taken_and_loses_no_trial(tmp_path):
    """Of 6 persons 2 start late: where one has not entered by the look, or nobody was seen, there is no difference."""
    early = InterimLooks(endpoint="function", fractions=(0.1,), success=(0.9,))
    plan = planned(Changes(), (6,), early)
    rows = _rows(plan, range(12), tmp_path / "log.jsonl", None)
    looks = rows[(rows["kind"] == "look") & (rows["look"] == 1)]
    without = looks["probability"].isna()
    assert 0 < without.sum() < 12
    assert (rows["status"] == "ok").all(), rows["why"].dropna().iloc[0]
    assert (looks.loc[without, "analysed"] == 0).all()
    assert looks.loc[without, ["verdict", "converged", "compiled"]].isna().all(axis=None)
    assert looks.loc[~without, "verdict"].notna().all()
    assert looks.loc[~without, "why"].isna().all()
    assert set(looks.loc[without, "why"]) == {
        "expected 2 persons or more of start_group delayed, got fewer",
        "expected 2 persons or more of start_group early, got fewer",
        "KeyError: 28.0",  # of the model, which asks for week 28
    }
    planned_trial = PlannedTrial(rows, plan, 12)
    assert planned_trial.computation["failed"] == 0
    assert planned_trial.looks_not_analysed == without.sum()
    text = page(planned_trial, "small", _header(plan, "small", 12, None), {})
    assert f"{without.sum()} analyses at looks could not be made (reasons are further down)" in text
    assert "expected 2 persons or more of start_group delayed, got fewer" in text
    found = outcomes_of_looks(rows, early, FUNCTION)
    assert (found.loc[without.to_numpy(), "look"] == 2).all()


# Rules ---------------------------------------------------------------------------------------------------------------


def test_a_trial_ends_by_the_posterior_probability():
    """Success at the first look; futility at the first; none made at the first, futility at the second; the end."""
    chances = [(0.995, 0.1, 0.5), (0.05, 0.999, 0.99), (None, 0.15, 0.99), (0.5, 0.5, 0.98)]
    rows = pd.DataFrame(
        [
            {
                "kind": "look", "rule": "function", "fit": fit, "look": look + 1, "probability": own[look],
                "predictive": None, "enrolled": (50, 80, 100)[look], "calendar_weeks": (60.0, 80.0, 110.0)[look],
                "favourable": True,
            }
            for fit, own in enumerate(chances)
            for look in range(3)
        ]
    )  # fmt: skip
    found = outcomes_of_looks(rows, TWO, FUNCTION)
    assert found["ended"].tolist() == ["success", "futility", "futility", "end"]
    assert found["look"].tolist() == [1, 1, 2, 3]
    assert found["success"].tolist() == [True, False, False, True]
    assert found["success_without_futility"].tolist() == [True, True, True, True]
    assert found["persons"].tolist() == [50, 50, 80, 100]
    success = InterimLooks(endpoint="function", fractions=(0.4, 0.7), success=(0.99, 0.98))
    found = outcomes_of_looks(rows, success, FUNCTION)
    assert found["ended"].tolist() == ["success", "success", "end", "end"]
    (row,) = looks_table(found.assign(cell=0), success, ("cell",)).to_dict("records")
    assert (row["success_at_0.4"], row["success_at_0.7"], row["futility_at_0.4"]) == (0.25, 0.25, 0)


# What is refused -----------------------------------------------------------------------------------------------------


def test_predictive_futility_is_refused_with_a_model_and_success_alone_is_not(tmp_path):
    looks = {"endpoint": "function", "fractions": (0.5,)}
    futile = InterimLooks(**looks, futility=(0.1,))
    match = r"\[interim\] futility_by: expected \"posterior\".*fast analysis only; give futility_by = \"posterior\""
    with pytest.raises(BadInput, match=match):
        plan_trial(grid=Grid(persons=(24,)), endpoints=[FUNCTION], model=Changes(), interim=futile)
    assert planned(Changes(), (24,), InterimLooks(**looks, success=(0.99,))).interim.futility == ()
    assert planned(None, (24,), futile).interim is futile
    path = tmp_path / "planned.toml"
    path.write_text(CONFIG.replace('futility_by = "posterior"\n', ""))
    done = invoke("check", path)
    assert done.exit_code == 2
    assert 'give futility_by = "posterior"' in done.stderr
