"""A study of one trial among the persons of several: who is in it, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from borrowed_study import study, tables

from bayesmodels.errors import BadInput
from bayesmodels.study import Study


def test_the_study_is_of_its_own_persons_and_the_whole_is_beside_it():
    own = study()
    persons, visits = tables()
    labels = persons.loc[persons["trial"] == "ours", "person"]
    assert own.persons["person"].tolist() == labels.tolist()
    assert set(own.visits["person"]) == set(labels)
    assert own.start_groups == ("early", "control")
    assert own.counts["n_persons"] == 10
    assert own.coords["person"] == tuple(range(10))
    assert len(own.whole.persons) == 19
    assert len(own.whole.visits) == len(visits)
    external = own.counts["external"]
    assert {trial: n["persons"] for trial, n in external.items()} == {"cohort": 5, "old": 4}
    assert sum(external["cohort"]["informative"]["score"].values()) == 5
    assert external["old"]["informative"]["other"] == {}
    assert "external persons beside it: 5 of cohort, 4 of old" in repr(own)
    assert own.digest not in (study(trial=None).digest, own.whole.digest)


def test_defaults_are_of_our_persons_alone():
    def later(persons, visits):
        visits.loc[
            visits["person"].isin(persons.loc[persons["trial"] == "old", "person"]) & (visits["week"] == 30), "week"
        ] = 90
        persons.loc[persons["trial"] == "cohort", "drug_start_week"] = 20.0

    persons, visits = tables()
    later(persons, visits)
    assert visits["week"].max() == 90
    own = Study.from_frames(persons, visits, reference_group="control", trial="ours")
    assert max(own.curve_weeks) == 30
    assert own.controlled_week is None
    everyone = Study.from_frames(persons, visits, reference_group="control")
    assert max(everyone.curve_weeks) == 90
    assert everyone.controlled_week == 20.0


def test_numbers_may_be_labels():
    def numbered(persons, visits):
        persons["trial"] = persons["trial"].map({"ours": 1, "cohort": 2, "old": 3}).astype(float)

    own = study(numbered, trial="1")
    assert len(own.persons) == 10
    assert set(own.counts["external"]) == {"2", "3"}


def without(persons, visits):
    del persons["trial"]


def renamed(persons, visits):
    persons["trials"] = persons.pop("trial")


def blank(persons, visits):
    persons.loc[persons.index[3], "trial"] = np.nan


def alone(persons, visits):
    persons["trial"] = "ours"


def single(persons, visits):
    early = persons.index[(persons["trial"] == "ours") & (persons["start_group"] == "control")]
    persons.loc[early[1:], "trial"] = "old"


@pytest.mark.parametrize(
    ("edit", "trial", "line"),
    [
        (
            without,
            "ours",
            'persons: expected a column "trial", since trial = "ours" says whose persons the study is of',
        ),
        (renamed, "ours", 'rename "trials" if that is it'),
        (blank, "ours", "persons, row 5 (person "),
        (None, "Ours", 'trial "Ours" is no label of persons ("cohort", "old", "ours"); write trial = "ours"'),
        (None, "mine", "give one of these, or correct the table"),
        (alone, "ours", 'expected persons of other trials beside "ours" in persons, found none'),
        (single, "ours", 'expected two persons or more in each start group, got one in "control"'),
        (None, 3, "expected a label of the column trial as trial, got 3"),
    ],
)
def test_what_does_not_tell_trials_apart_is_refused(edit, trial, line):
    with pytest.raises(BadInput) as error:
        study(edit, trial=trial)
    assert line in str(error.value)


def test_persons_to_predict_have_no_trial():
    persons, visits = tables()
    with pytest.raises(BadInput, match="expected no trial with new_persons"):
        Study.from_frames(persons, visits, new_persons=True, trial="ours")
