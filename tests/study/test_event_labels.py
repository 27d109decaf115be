"""Labels of events that differ only by case: a model would take some of them for censoring."""

import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import Study


def lines(persons, visits, events):
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons, visits, events, reference_group="delayed")
    return list(caught.value.problems)


def test_the_rarer_spelling_is_to_be_corrected(persons, visits, events):
    events["event"] = ["Death", "death", "death", "none"]
    assert lines(persons, visits, events) == [
        'events, row 2 (person P1, week 30): expected one spelling of each event, got "Death", which differs from '
        '"death" only by case; write "death"'
    ]


@pytest.mark.parametrize("others", ["none", "None"])
def test_none_is_written_in_small_letters(persons, visits, events, others):
    """Even where it is the commoner spelling, or the only one: any other label is an event."""
    events["event"] = ["None", "None", "death", others]
    wrong = [line.split(":")[0] for line in lines(persons, visits, events)]
    assert wrong[:2] == ["events, row 2 (person P1, week 30)", "events, row 3 (person P2, week 52)"]
    assert len(wrong) == 2 + (others == "None")


def test_a_label_with_a_space_is_refused(persons, visits, events):
    events["event"] = ["death ", "death", "death", "none"]
    assert lines(persons, visits, events) == [
        "events, row 2 (person P1, week 30): event has a space before or after it; remove the space"
    ]


def test_one_spelling_of_each_is_taken_as_it_is(persons, visits, events):
    events["event"] = ["Death", "Withdrawal", "Death", "none"]
    study = Study.from_frames(persons, visits, events, reference_group="delayed")
    assert study.counts["events"] == {"Death": 2, "Withdrawal": 1, "none": 1}
