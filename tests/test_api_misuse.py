"""Every wrong call of a public function is one of our errors in plain lines: a sample fast, all of them slow."""

import inspect

import pytest
from api_misuses import MISUSES, VALUES
from pydantic import ValidationError

import bayesmodels
from bayesmodels.errors import BadInput, BayesmodelsError, expect_numbers, expect_whole
from bayesmodels.models.presets import PRESETS

SLOW = {"fit, chains in a file"}
SAMPLE = [name for name in list(MISUSES)[::3] if name not in SLOW]


def refused(name, folder):
    (folder / "file").write_text("", encoding="utf-8")
    before = sorted(folder.rglob("*"))
    with pytest.raises(BayesmodelsError) as caught:
        MISUSES[name](folder)
    lines = str(caught.value).splitlines()
    assert lines
    assert all(line.isprintable() and 10 < len(line) < 400 for line in lines), lines
    return before == sorted(folder.rglob("*"))


@pytest.mark.parametrize("name", SAMPLE)
def test_a_wrong_call_is_refused_in_plain_lines_and_writes_nothing(tmp_path, name):
    assert refused(name, tmp_path) or name == "report onto a file"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MISUSES))
def test_every_wrong_call_is_refused_in_plain_lines(tmp_path, name):
    refused(name, tmp_path)


@pytest.mark.parametrize("name", list(VALUES))
def test_a_value_that_is_refused_when_it_is_made_is_pydantics_error(name):
    with pytest.raises(ValidationError):
        VALUES[name]()


def test_every_public_name_is_among_them():
    texts = "".join(inspect.getsource(inspect.getmodule(test)) for test in (MISUSES["fit of None"],))
    missing = [name for name in set(bayesmodels.__all__) - set(PRESETS) if name not in texts]
    assert not missing, "add a wrong call of each to api_misuses.py"
    assert len(MISUSES) >= 100


def test_a_covariate_named_like_a_word_of_the_message_changes_no_message():
    with pytest.raises(BadInput) as plain:
        MISUSES["Study, column text"](None)
    with pytest.raises(BadInput) as trap:
        MISUSES["Study, column first"](None)
    assert trap.value.problems == plain.value.problems
    assert "has row 2 already" in plain.value.problems[0]


@pytest.mark.parametrize("value", ["4", 4, None, [], ["a"], {}, {1: 2}, [float("nan")], [float("inf")], [True]])
def test_what_is_no_list_of_numbers(value):
    with pytest.raises(BadInput, match="weeks: expected a list of numbers"):
        expect_numbers(value, "weeks")


def test_lists_of_numbers_and_whole_numbers():
    import numpy as np

    assert expect_numbers(np.arange(3), "weeks") == expect_numbers((0, 1.0, 2), "weeks") == (0.0, 1.0, 2.0)
    expect_whole(np.int64(3), "seed")
    for value in (-1, 1.5, "1", None, True):
        with pytest.raises(BadInput, match="seed: expected a whole number of 0 or more, got"):
            expect_whole(value, "seed")
