"""Exits of trials replicated by a joint model, against a closed form; visits up to them only. Made up."""

from __future__ import annotations

import joint_study
import numpy as np
import pytest
import xarray as xr

from bayesmodels.persons.replicated_exits import replicated_trials
from bayesmodels.vocabulary import MONTH_IN_WEEKS

NUMBER, UNTIL, RATE = 150, 64.0, 0.03


@pytest.fixture(scope="module")
def trials():
    """No associations nor covariates act: death has a constant hazard of .03 a month, withdrawal of a hundredth."""
    study, model = joint_study.study(), joint_study.model()
    point = {
        "hazard_association": np.zeros(3), "hazard_ratio": np.zeros(1), "death_log_shape": np.array(0.0),
        "death_log_hazard": np.array(np.log(RATE)), "withdrawal_log_hazard": np.array(np.log(RATE / 100)),
        "withdrawal_step": np.zeros(1),
    }  # fmt: skip
    draws = joint_study.draws_of(model.build(study), point, number=NUMBER // 2)
    tree = xr.DataTree.from_dict({"posterior": draws})
    return study, list(replicated_trials(model, tree, study, UNTIL, seed=1, number=NUMBER))


def test_deaths_come_at_their_rate(trials):
    """Those with an event are watched to week 64, others to their exit: expected deaths are 1 - exp(-.03 months)."""
    study, made = trials
    end = study.events.set_index("person").loc[study.persons["person"]]
    watched = np.where(end["event"].isin(["death", "withdrawal"]), np.maximum(end["week"], UNTIL), end["week"])
    chance = 1 - np.exp(-RATE * watched / MONTH_IN_WEEKS)
    died = np.array([(events["event"] == "death").to_numpy() for _, events in made])
    error = np.sqrt(chance * (1 - chance) / NUMBER)
    assert (np.abs(died.mean(axis=0) - chance) < 4.5 * error + 0.005).all()  # .005: few withdraw first
    assert (
        abs(died.mean() - chance.mean()) < 4.5 * np.sqrt((chance * (1 - chance)).sum() / NUMBER) / len(chance) + 0.005
    )
    weeks = np.array([events["week"].to_numpy() for _, events in made])
    assert (weeks <= watched + 1e-9).all()
    early = died[:, watched >= UNTIL] & (weeks[:, watched >= UNTIL] < 32)
    expected = 1 - np.exp(-RATE * 32 / MONTH_IN_WEEKS)
    assert early.mean() == pytest.approx(expected, abs=4.5 * np.sqrt(expected / early.size) + 0.01)


def test_nobody_is_seen_after_the_exit(trials):
    study, made = trials
    for visits, events in made[:20]:
        left = events.set_index("person")["week"]
        assert (visits["week"].to_numpy() <= left.loc[visits["person"]].to_numpy()).all()
        assert set(events["event"]) <= {"none", "death", "withdrawal"}
        assert visits.groupby(["person", "week"]).size().max() == 1
        assert visits["value"].between(0, 48).all()
    assert {person for visits, _ in made for person in visits["person"]} == set(study.persons["person"])
