"""The result type that every rung shares."""

import pytest

from bayesmodels.surrogacy.verdict import Verdict


def test_a_verdict_says_its_rung_and_one_of_four_answers():
    verdict = Verdict("trial", "not assessable", "Two programmes.", ("2 of 6",), ("More trials",))
    assert verdict.as_json() == {
        "rung": "trial", "answer": "not assessable", "sentence": "Two programmes.", "reasons": ["2 of 6"],
        "what_would_change_it": ["More trials"],
    }  # fmt: skip
    with pytest.raises(ValueError, match="expected one of not assessable"):
        Verdict("trial", "failed", "")
    with pytest.raises(ValueError, match="expected one of response"):
        Verdict("person", "supported", "")
