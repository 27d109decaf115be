"""The two analyses of a simulated trial against other routes; programmes; how looks end a trial."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from changes_model import Changes, changes
from scipy import stats

from bayesmodels import NutsSettings, plan_trial
from bayesmodels.errors import BadInput
from bayesmodels.planning import Grid, InterimLooks, PlannedEndpoint
from bayesmodels.planning.fast import endpoint_rows, look_rows, observed
from bayesmodels.planning.grid import cells_of
from bayesmodels.planning.looks import looks_table, outcomes_of_looks
from bayesmodels.simulation import simulate_arrays, simulate_trial
from bayesmodels.statistics.covariance_analysis import ancova
from bayesmodels.trials.truths import Design, GeneratorTruth

NFL = PlannedEndpoint(name="NfL", outcome="nfl_plasma")
FUNCTION = PlannedEndpoint(name="function", outcome="alsfrs_r", adjust=("nfl_plasma",))
CELLS, _ = cells_of(Grid(persons=(90,)), Design(), GeneratorTruth(), (0,))


@pytest.fixture(scope="module")
def trial():
    return simulate_trial(CELLS[0].design.trial, CELLS[0].truth.generator, 11)


@pytest.fixture(scope="module")
def known():
    return observed(simulate_arrays(CELLS[0].design.trial, CELLS[0].truth.generator, 11), (28,))


def by_hand(trial, outcome):
    """Value at weeks 0 and 28 by person, from the tables."""
    own = trial.visits[trial.visits["outcome"] == outcome].pivot(index="person", columns="week", values="value")
    own = own.reindex(trial.persons["person"])
    both = own[0].to_numpy(), own[28].to_numpy()
    return tuple(np.log(each) for each in both) if outcome == "nfl_plasma" else both


def test_with_a_flat_prior_the_fast_analysis_is_ancova(trial, known):
    rows = {row["rule"]: row for row in endpoint_rows(known, (NFL, FUNCTION), 28, "early - delayed", 0.95)}
    nfl_first, _ = by_hand(trial, "nfl_plasma")
    for endpoint in (NFL, FUNCTION):
        first, last = by_hand(trial, endpoint.outcome)
        covariates = {"baseline": first} | ({"nfl": nfl_first} if endpoint is FUNCTION else {})
        found = ancova(
            last - first, trial.persons["start_group"] == "early", covariates=covariates,
            strata=trial.persons["stratum"].to_numpy(),
        )  # fmt: skip
        (expected,) = found.table.itertuples()
        row = rows[endpoint.name]
        assert row["median"] == pytest.approx(expected.estimate)
        assert (row["lower"], row["upper"]) == pytest.approx((expected.lower, expected.upper))
        one_sided = stats.t.cdf(expected.estimate / expected.se, found.counts["degrees of freedom"])
        assert row["probability"] == pytest.approx(one_sided if endpoint is FUNCTION else 1 - one_sided)
        assert row["analysed"] == np.isfinite(last - first).sum() < 90


def test_a_change_is_extrapolated_at_its_pace_from_a_third_of_the_way_on(trial, known):
    visits = trial.visits[(trial.visits["outcome"] == "alsfrs_r") & (trial.visits["week"] <= 28)]
    own = visits.sort_values("week").groupby("person")
    last, week, first = own["value"].last(), own["week"].max(), own["value"].first()
    expected = ((last - first) * 28 / week).where(week >= 28 / 3).reindex(trial.persons["person"]).to_numpy()
    np.testing.assert_allclose(known.extrapolated["alsfrs_r", 28], expected)
    seen = np.isfinite(known.values["alsfrs_r", 28])
    assert seen.sum() < np.isfinite(expected).sum() < 90
    both = [
        endpoint_rows(known, (FUNCTION.model_copy(update={"missing": missing}),), 28, "early - delayed", 0.95)[0]
        for missing in ("left_out", "extrapolated")
    ]
    assert [row["analysed"] for row in both] == [seen.sum(), np.isfinite(expected).sum()]


def test_looks_analyse_those_who_entered_first(trial, known):
    interim = InterimLooks(endpoint="function", fractions=(0.5,), futility=(0.1,), futility_of="NfL")
    rows = pd.DataFrame(look_rows(known, (NFL, FUNCTION), 28, interim)).set_index(["rule", "look"])
    entry = known.entry_weeks
    assert entry.min() == 0
    assert entry.max() <= 21 * 365.25 / 12 / 7
    last = np.sort(entry)[44]
    row = rows.loc[("function", 1)]
    assert row["calendar_weeks"] == pytest.approx(last + 28)
    assert row["enrolled"] == (entry <= last + 28).sum()
    assert row["fraction"] == 0.5
    end = rows.loc[("function", 2)]
    assert (end["enrolled"], end["fraction"]) == (90, 1.0)
    assert end["calendar_weeks"] == pytest.approx(entry.max() + 28)
    whole = {r["rule"]: r for r in endpoint_rows(known, (NFL, FUNCTION), 28, "early - delayed", 0.95)}
    assert end["probability"] == whole["function"]["probability"]
    early = entry <= last
    first, now = (np.where(early, each, np.nan) for each in by_hand(trial, "alsfrs_r"))
    assert row["analysed"] == np.isfinite(now - first).sum()


def test_a_look_that_cannot_be_analysed_stops_nothing_and_loses_no_trial(known):
    """The first persons to enter are all early starters: no difference at the first look, the rest as without it."""
    first = known.entry_weeks <= np.sort(known.entry_weeks)[12]
    one_group = replace(known, first=known.first | first)
    looks = InterimLooks(endpoint="function", fractions=(0.1, 0.5), success=(0.5, 0.9), futility=(0.99, 0.0))
    rows = pd.DataFrame(look_rows(one_group, (FUNCTION,), 28, looks)).assign(fit=0, favourable=True)
    assert rows["analysed"].iloc[0] == 0
    assert rows[["mean", "sd", "probability", "predictive"]].iloc[0].isna().all()
    (whole,) = endpoint_rows(one_group, (FUNCTION,), 28, "early - delayed", 0.95)
    assert rows["probability"].iloc[2] == whole["probability"]
    found = outcomes_of_looks(rows, looks, FUNCTION)
    assert found["look"].item() > 1
    some = plan_trial(
        grid=Grid(persons=(12,), decline_removed=(0.4,)), endpoints=[FUNCTION], trials=20, seed=1,
        interim=InterimLooks(endpoint="function", fractions=(0.3,), futility=(0.2,)),
    )  # fmt: skip
    assert some.looks_not_analysed > 10
    assert some.computation["failed"] == 0
    assert some.table["trials"].item() == 20


def test_a_trial_ends_at_its_first_crossing():
    """Four made-up trials: success at the first look, futility at the second, success at the end, nothing."""
    interim = InterimLooks(endpoint="f", fractions=(0.4, 0.7), success=(0.99, 0.98), futility=(0.05, 0.1))
    endpoint = FUNCTION.model_copy(update={"name": "f"})
    chances = {0: (0.995, 0.5, 0.99), 1: (0.6, 0.7, 0.976), 2: (0.9, 0.97, 0.98), 3: (0.7, 0.7, 0.8)}
    predictive = {0: (0.9, 0.01), 1: (0.2, 0.09), 2: (0.5, 0.5), 3: (0.3, 0.3)}
    rows = pd.DataFrame(
        [
            {
                "kind": "look", "rule": "f", "fit": fit, "look": look + 1, "probability": chances[fit][look],
                "predictive": (*predictive[fit], np.nan)[look], "enrolled": (50, 80, 100)[look],
                "calendar_weeks": (60.0, 80.0, 110.0)[look], "favourable": True,
            }
            for fit in chances
            for look in range(3)
        ]
    )  # fmt: skip
    found = outcomes_of_looks(rows, interim, endpoint)
    assert found["ended"].tolist() == ["success", "futility", "end", "end"]
    assert found["success"].tolist() == [True, False, True, False]
    assert found["success_without_futility"].tolist() == [True, True, True, False]
    assert found["persons"].tolist() == [50, 80, 100, 100]
    (row,) = looks_table(found.assign(cell=0), interim, ("cell",)).to_dict("records")
    assert (row["share"], row["success_without_futility"]) == (0.5, 0.75)
    assert (row["success_at_0.4"], row["futility_at_0.7"], row["expected_persons"]) == (0.25, 0.25, 82.5)


def test_a_model_is_fitted_to_every_trial_and_compiled_once():
    """Its posterior is known: P(favours) of the normal."""
    found = plan_trial(
        grid=Grid(persons=(24, 40)), endpoints=[FUNCTION], model=Changes(), trials=2, seed=7,
        settings=NutsSettings(chains=1, tune=300, draws=1500),
    )  # fmt: skip
    assert found.analysis == "Changes fitted by NUTS to every simulated trial"
    assert (found.rows["status"] == "ok").all(), found.rows["why"].iloc[0]
    assert not found.rows["compiled"].any()
    for row in found.rows.itertuples():
        cell = found.plan.cell_of(row.fit)
        study = found.plan._plan(cell, cell.truth).source.source.trial(found.plan.stream(row.fit, 0))
        change, group = changes(study)
        n = np.bincount(group)
        mean = [change[group == g].sum() / 64 / (n[g] / 64 + 1 / 400) for g in (0, 1)]
        sd = np.sqrt(sum(1 / (n[g] / 64 + 1 / 400) for g in (0, 1)))
        assert row.mean == pytest.approx(mean[0] - mean[1], abs=0.25 * sd)
        assert row.probability == pytest.approx(stats.norm.cdf((mean[0] - mean[1]) / sd), abs=0.06)
        assert row.persons == cell.persons


def test_a_trial_too_small_to_analyse_fails_with_its_reason():
    found = plan_trial(
        grid=Grid(persons=(5,), dropout=(200.0,)), endpoints=[FUNCTION], trials=3, truth=GeneratorTruth()
    )
    assert found.computation["failed"] == 3
    assert found.rows["why"].str.contains("expected").all()
    assert found.table.empty


def test_a_model_without_the_difference_is_refused():
    from averages_model import Averages

    with pytest.raises(BadInput, match="unknown variable published by Averages 'difference'"):
        plan_trial(grid=Grid(persons=(24,)), endpoints=[FUNCTION], model=Averages())
