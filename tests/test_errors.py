"""Lists of problems: shown cut, kept whole."""

import pickle

import pytest

from bayesmodels.errors import BadConfig, BadInput, in_full, shown


@pytest.mark.parametrize("count", [0, 1, 19, 20])
def test_a_short_list_is_shown_whole(count):
    lines = [f"line {k}" for k in range(count)]
    assert shown(lines, "problem") == lines
    assert str(BadInput(lines)) == "\n".join(lines)


@pytest.mark.parametrize(("count", "last"), [(21, "... and 1 more problem"), (57, "... and 37 more problems"),
                                             (12_020, "... and 12,000 more problems")])  # fmt: skip
def test_a_long_list_is_cut_with_a_count_and_kept_whole(count, last):
    lines = [f"line {k}" for k in range(count)]
    error = BadInput(lines)
    assert str(error).splitlines() == [*lines[:20], last]
    assert error.problems == tuple(lines)


def test_a_long_line_is_cut_where_it_is_shown():
    (line,) = shown(["x" * 10_000], "problem")
    assert len(line) == 1000
    assert line.endswith("...")


def test_an_error_travels_between_processes_with_every_problem():
    lines = [f"line {k}" for k in range(57)]
    again = pickle.loads(pickle.dumps(BadConfig(lines)))
    assert (type(again), again.problems) == (BadConfig, tuple(lines))


def test_a_number_in_full_reads_back_the_same():
    """Every day of ten years in weeks; six digits alone do not tell them apart from their neighbours."""
    assert all(float(in_full(day / 7)) == day / 7 for day in range(3660))
    weeks = {0.0: "0", 52.0: "52", 52.5: "52.5", 104: "104", -3.0: "-3", 52.2857: "52.2857"}
    assert {week: in_full(week) for week in weeks} == weeks
    assert in_full(366 / 7) == "52.285714285714285"
    assert [in_full(week) for week in (float("inf"), float("nan"))] == ["inf", "nan"]
