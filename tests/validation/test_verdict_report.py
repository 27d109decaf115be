"""Shares of verdicts: counts, limits, and the sentence that says whether the limit of false support holds."""

import json

import pandas as pd
import pytest
from validation.surrogacy_verdicts.study import STUDY, VerdictSpec, shares

from bayesmodels.simulation import COLLECTIONS


def records(false_support: int):
    """Twenty simulations a cell; `false_support` of the null collections of 40 are called supported."""
    rows = []
    for kind in COLLECTIONS:
        for k in range(20):
            common = {"trial": len(rows), "cpu_seconds": 0.1, "process": 1, "kind": kind}
            rows.append({**common, "trials": 1, "response": "supported", "individual": "uncertain",
                         "trial_rung": "not assessable", "prentice_assessable": True,
                         "prentice_joint": 0.99 if k < 5 else 0.1})  # fmt: skip
            wrong = kind == "null" and k < false_support
            answer = "supported" if wrong or (kind == "perfect" and k < 12) else "uncertain"
            rows.append(
                {
                    **common,
                    "trials": 40,
                    "trial_rung": answer,
                    "trial_rung_undirected": answer,
                    "max_rhat": 1.0,
                    "divergences": 0,
                }
            )
    return rows, VerdictSpec(tune=1, draws=1)


def test_shares_count_every_answer_of_every_rung():
    rows, _ = records(1)
    table = shares(pd.DataFrame(rows)).set_index(["kind", "trials", "rung", "answer"])
    assert table.at[("perfect", 40, "trial", "supported"), "share"] == pytest.approx(0.6)
    assert table.at[("null", 1, "trial", "not assessable"), "share"] == 1.0
    assert table.at[("null", 1, "response", "supported"), "simulations"] == 20
    assert ("null", 40, "individual", "supported") not in table.index  # a collection is not judged there
    none = table.loc[("paradox", 40, "trial", "supported")]
    assert (none["lower"], none["upper"]) == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))  # no event in 20


SAID = {
    1: "5% (null, 40 trials; 1 of 20): the limit of 5% holds",
    2: "10% (null, 40 trials; 2 of 20): the limit of 5% DOES NOT HOLD",
}


@pytest.mark.parametrize(("count", "words"), SAID.items())
def test_false_support_is_told(count, words, tmp_path):
    rows, spec = records(count)
    assert words in STUDY.write(rows, spec, tmp_path, len(rows))
    page = (tmp_path / "README.md").read_text()
    assert words in page
    assert "| perfect | 40 | 0% | 0% | 40% | 60% |" in page
    assert "| null | 100% | 25% |" in page
    assert json.loads((tmp_path / "manifest.json").read_text())["simulations"] == len(rows)
