"""Labels of events that differ only by case: a model would take some of them for censoring."""

import pytest

from bayesmodels.errors import BadInput
from bayesmodels.study import Study


def lines(persons, visits, events):
    with pytest.raises(BadInput) as caught:
        Study.from_frames(persons, visits, events, reference_group="delayed")
    return list(caught.value.problems)


def test_both_spellings_are_named_with_their_counts(persons, visits, events):
    events["event"] = ["Death", "death", "death", "none"]
    assert lines(persons, visits, events) == [
        'events, row 2 (person P1): expected one spelling of each event, got "death" (2 rows), "Death" (1 row), which '
        'differ only by case, spaces, punctuation or Unicode form ("Death": row 2); write one of them throughout, with '
        'pandas events["event"] = events["event"].replace({"Death": "death"}); or, '
        "where they are not the same, say so in the configuration, under [study]: distinct_labels = "
        '[["death", "Death"]]'
    ]


@pytest.mark.parametrize("others", ["none", "None"])
def test_none_is_written_in_small_letters(persons, visits, events, others):
    """Even where it is the commoner spelling, or the only one: any other label is an event."""
    events["event"] = ["None", "None", "death", others]
    n = 2 + (others == "None")
    assert lines(persons, visits, events) == [
        f'events, row 2 (person P1, week 30): expected "none" where nothing happened, got "None" ({n} rows), which '
        'differs from it only by case, spaces, punctuation or Unicode form; write "none", or say what it is: '
        'under [study]: event_labels = {None = "none"}'
    ]


def test_a_label_with_a_space_is_refused(persons, visits, events):
    events["event"] = ["death ", "death", "death", "none"]
    assert lines(persons, visits, events) == [
        "events, row 2 (person P1, week 30): event has a space before or after it; remove the space"
    ]


def test_one_spelling_of_each_is_taken_as_it_is(persons, visits, events):
    events["event"] = ["Death", "Withdrawal", "Death", "none"]
    study = Study.from_frames(persons, visits, events, reference_group="delayed")
    assert study.counts["events"] == {"Death": 2, "Withdrawal": 1, "none": 1}
