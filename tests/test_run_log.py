"""What a run's log keeps of errors that were not made for it."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest
import toy_model

from bayesmodels.errors import BadInput
from bayesmodels.run.folder import RunFolder
from bayesmodels.run.job import _Work, without_persons
from bayesmodels.study.problem import Problem

KEPT_BACK = "(names a person: not kept)"


def data(*labels):
    return SimpleNamespace(persons=pd.DataFrame({"person": labels}))


@pytest.mark.parametrize(
    ("label", "text", "kept"),
    [
        ("p3", "no visit of p3 at week 4", False),
        ("p3", "chain p30 failed in step3", True),
        ("a\\b", f"KeyError: {'a\\b'!r}", False),
        ("a.b", "axb is unknown", True),
        ("a.b", "unknown: a.b", False),
    ],
)
def test_text_that_holds_a_label_as_a_word_is_left_out(label, text, kept):
    told = without_persons(ValueError(text), data("other", label))
    assert (text in told) is kept
    assert (KEPT_BACK in told) is not kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("person 17 has no visit at week 0.5", "person (...) has no visit at week 0.5"),
        ("shape (17, 3) and (200, 109)", "shape ((...), (...)) and (200, 109)"),
        ("KeyError: '17'", "KeyError: '(...)'"),
        ("17", "(...)"),
        ("persons [17 18 300]", "persons [(...) (...) 300]"),
        ("person 17.0 of x17, 3.17 and 17.5", "person (...) of x17, 3.17 and 17.5"),
        ("person=-17: 017", "person=-(...): (...)"),
        ("logp is -inf", "logp is -inf"),
    ],
)
def test_numbers_that_are_labels_are_masked_and_the_rest_stays_readable(text, kept):
    told = without_persons(ValueError(text), data(*(str(number) for number in range(1, 109))))
    assert told.splitlines()[-1] == f"ValueError: {kept}"


def test_no_label_of_a_study_is_left_in_any_message():
    labels = [f"{number:03d}" for number in range(1, 109)]
    for label in labels:
        for text in (f"person {label} has ...", f"('{label}', 0)", f"{int(label)}", f"no row {label}: {label}."):
            told = without_persons(ValueError(text), data(*labels))
            assert not {int(number) for number in re.findall(r"[0-9]+", told.splitlines()[-1])} - {0}


def test_problems_keep_file_and_row_whatever_the_labels():
    error = BadInput([Problem("events.csv", "expected a week", row=15, person="15", week=0.0)])
    told = without_persons(error, data("15", "0", "1"))
    assert "events.csv, row 15 (week 0): expected a week" in told
    assert "person 15" not in told


def test_data_without_persons_have_no_labels():
    assert "anything" in without_persons(ValueError("anything"), object())


def test_warnings_are_told_with_the_person_and_logged_without(tmp_path):
    tables = toy_model.tables()
    tables["persons"]["age"] = [999, 50, 61, 47, 58, 66]
    study = toy_model.Study.from_frames(**tables, reference_group="delayed")
    told = []
    config = SimpleNamespace(model=toy_model.Toy(), analyses=())
    work = SimpleNamespace(config=config, folder=RunFolder(tmp_path), tell=told.append)
    _Work._warn(work, study)
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert "warning: persons, row 2: age is 999, far from all other values" in line
    assert "Secret" not in line
    assert told[0].startswith("warning: persons, row 2 (person Secret-0): age is 999")
