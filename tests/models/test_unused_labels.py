"""Labels that no part of a model takes are named with counts; what a configuration spells otherwise is refused."""

import pandas as pd
import pytest

from bayesmodels import JointEventModel, LeavingRule, LongitudinalModel, SharedRateModel, rank_analyses
from bayesmodels.analyses.dropout.request import dropout_request
from bayesmodels.errors import BadInput
from bayesmodels.models.labels import events_taken, unused_labels
from bayesmodels.models.visits.exposure import exits_of
from bayesmodels.study import MeansTable, Study

OUTCOMES = ("alsfrs_r",)
WEEKS = (0.0, 4.0, 8.0)


def study(*labels, outcomes=("alsfrs_r", "nfl_plasma", "svc"), week=9.0, **options):
    people = [f"p{k}" for k in range(len(labels))]
    persons = pd.DataFrame({"person": people, "start_group": ["early", "late"] * (len(people) // 2)})
    visits = [
        (p, w, k, 30.0 + w / 4) for k in outcomes for p in people for w in (WEEKS if k == outcomes[0] else (0.0,))
    ]
    events = pd.DataFrame({"person": people, "week": week, "event": list(labels)})
    return Study.from_frames(
        persons.assign(drug_start_week=[0.0, None] * (len(people) // 2)),
        pd.DataFrame(visits, columns=["person", "week", "outcome", "value"]),
        events,
        reference_group="late",
        **options,
    )


LABELS = ("death", "withdrawal", "none", "none", "PEG", "withdrawal")


def test_outcomes_and_events_that_a_joint_model_leaves_out():
    model = JointEventModel(outcomes=OUTCOMES, events=({"name": "death"},))
    outcomes, events = unused_labels(model, study(*LABELS))
    assert outcomes == 'visits: the model leaves out "nfl_plasma" (6 rows), "svc" (6 rows) of 30 visits'
    assert events == (
        'events: no event of the model takes "PEG" (1 row), "withdrawal" (2 rows): for the model follow-up ends there '
        "and nothing happens"
    )
    both = JointEventModel(
        outcomes=("alsfrs_r", "nfl_plasma", "svc"),
        events=({"name": "end", "of": ("death", "PEG")}, {"name": "withdrawal"}),
    )
    assert unused_labels(both, study(*LABELS)) == []
    assert events_taken(both) == {"death": "death", "PEG": "PEG", "end": "death", "withdrawal": "withdrawal"}


def test_events_of_a_model_without_any_and_what_other_sections_make_of_them():
    model = LongitudinalModel(outcomes=OUTCOMES)
    parts = {"[dropout]": {"death": "death", "none": "none"}, "[rank]": {}}
    (events,) = unused_labels(model, study(*LABELS, outcomes=OUTCOMES), parts)
    assert events == (
        'events: the model has no events; among those of the table are "PEG" (1 row), "death" (1 row), "withdrawal" (2 '
        'rows): for the model follow-up ends there and nothing happens; [dropout] takes by name "death" and "PEG", '
        '"withdrawal" for leaving of one\'s own accord; [rank] takes "PEG", "death", "withdrawal" for censoring'
    )
    without = study(*LABELS, outcomes=OUTCOMES).tables
    assert unused_labels(model, Study.from_frames(without.persons, without.visits, reference_group="late")) == []


def test_a_shared_rate_model_takes_its_other_exits():
    (outcomes, events) = unused_labels(SharedRateModel(), study(*LABELS))
    assert "nfl_plasma" in outcomes
    assert '"PEG" (1 row): ' in events


def test_a_model_of_ones_own_and_other_tables_are_not_asked():
    class Own:
        pass

    (events,) = unused_labels(Own(), study(*LABELS))
    assert '"death" (1 row)' in events
    rows = [("s", "all", "a", 4.0, "alsfrs_r", -1.0, 0.5, 9, "change_from_baseline", "points", "printed", "made up")]
    columns = ["series", "stratum", "start_group", "week", "outcome", "estimate", "se", "n", "scale", "unit"]
    means = pd.DataFrame(rows, columns=[*columns, "certainty", "source"])
    assert unused_labels(Own(), MeansTable.from_frame(means, {"a": 0}, reference_group="a")) == []


@pytest.mark.parametrize(
    ("event", "label"), [("death", "dead"), ("death", "Died"), ("withdrawal", "dropout"), ("PAV", "ventilation")]
)
def test_another_word_for_an_event_is_refused_by_everything_that_takes_events(event, label):
    data = study(event, label, "none", "none", outcomes=OUTCOMES)
    for attempt in (
        lambda: exits_of(data, [(event,)]),
        lambda: dropout_request(
            LongitudinalModel(outcomes=OUTCOMES), data, "alsfrs_r", 8.0, rule=LeavingRule(terminal=(event,))
        ),
        lambda: rank_analyses(data, "alsfrs_r", 8.0, terminal=(event,), good_direction="up"),
    ):
        with pytest.raises(BadInput, match=rf'event_labels = {{{label} = "{event}"}}'):
            attempt()


def test_words_for_nothing_are_refused_where_exits_count_as_leaving():
    model, data = LongitudinalModel(outcomes=OUTCOMES), study("censored", "gone", "none", "none", outcomes=OUTCOMES)
    with pytest.raises(BadInput, match=r'event_labels = {censored = "none"}'):
        dropout_request(model, data, "alsfrs_r", 8.0)
    named = LeavingRule(administrative=("none", "censored"))
    assert dropout_request(model, data, "alsfrs_r", 8.0, rule=named).rule.administrative == ("none", "censored")
    assert exits_of(study("death", "censored", "none", "none"), [("death",)]).code.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("label", ["Death", "DEATH", "de_ath"])
def test_a_terminal_event_that_the_table_spells_otherwise(label):
    data = study(label, label, "none", "none", outcomes=OUTCOMES)
    with pytest.raises(BadInput, match=rf'got \'death\'; "{label}" differs only by .*: write terminal = \["{label}"\]'):
        dropout_request(LongitudinalModel(outcomes=OUTCOMES), data, "alsfrs_r", 8.0)
    with pytest.raises(BadInput, match=rf'got death; "{label}" differs only by'):
        rank_analyses(data, "alsfrs_r", 8.0, terminal=("death",), good_direction="up")


@pytest.mark.parametrize("label", ["ALSFRS-R", "ALSFRS_R", "Alsfrs R", "alsfrsr", "AlsFrs/R"])
def test_an_outcome_that_the_table_spells_otherwise(label):
    data = study("death", "none", "none", "none", outcomes=(label,))
    for model in (
        LongitudinalModel(outcomes=OUTCOMES),
        JointEventModel(outcomes=OUTCOMES, events=({"name": "death"},)),
    ):
        with pytest.raises(
            BadInput, match=rf'found "{label}"; .*: write name = "{label}" in the \[\[model.outcomes\]\]'
        ):
            model.build(data)
    with pytest.raises(BadInput, match=rf'write outcome = "{label}" in \[model\]'):
        SharedRateModel().build(data)


def test_regimens_of_a_platform_are_labels_too():
    data = study("death", "none", "none", "none", outcomes=OUTCOMES)
    persons = data.persons.drop(columns="stratum").assign(regimen=["A b", "a_b", "C", "C"])

    def build(**options):
        made = Study.from_frames(persons, data.visits, data.events, reference_group="late", **options)
        SharedRateModel(regimen_column="regimen").build(made)

    with pytest.raises(BadInput, match=r'expected one spelling of each regimen, got "A b" \(1 row\), "a_b" \(1 row\)'):
        build()
    build(distinct_labels=[["A b", "a_b"]])
