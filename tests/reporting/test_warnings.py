"""Warnings about the data on page, in words, in the notebook and in `summary.json`."""

import json

import pytest
from fake import fake_posterior, one_outcome

from bayesmodels.reporting import report

LINES = ["visits.csv: albumin is -99 in 2 rows (9, 33): <a missing-value code?>", "another & more"]


@pytest.fixture(scope="module")
def warned():
    return report(one_outcome(fake_posterior(warnings=json.dumps(LINES))))


def test_page_and_summary_carry_every_warning(warned):
    page = warned.html
    place = page.index("Warnings about the data")
    assert page.index("&lt;a missing-value code?&gt;") > place
    assert place < page.index("Identified by these data")
    assert warned.summary["warnings"] == LINES


def test_words_and_notebook_carry_them(warned):
    assert "Warnings about the data:\n  " + "\n  ".join(LINES) in warned.sentence()
    shown = warned._repr_html_()
    assert shown.index("<h4>Warnings about the data</h4><ul><li>visits.csv") < shown.index("<h4>Identified")
    assert "another &amp; more" in shown


def test_without_warnings_there_is_no_list():
    made = report(one_outcome(fake_posterior()))
    assert "Warnings about the data" not in made.sentence() + made._repr_html_()
    assert made.summary["warnings"] == []


def test_a_long_list_is_cut_on_the_page_and_whole_in_the_summary():
    many = [f"line {k}" for k in range(57)]
    made = report(one_outcome(fake_posterior(warnings=json.dumps(many))))
    assert made.lead.warnings == [*many[:20], "... and 37 more warnings"]
    assert made.summary["warnings"] == many
