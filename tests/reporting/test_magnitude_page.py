"""The chapter on magnitude: levels kept apart, what is not shown and why, the responder trap where it belongs."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ard_rows import checked, groups_of
from fake import fake_posterior, one_outcome, part_of
from fake_events import with_events
from fake_persons import persons_posterior
from pydantic import ValidationError
from readings import reading_of

from bayesmodels.reporting import Chapter, ReportSettings, report
from bayesmodels.reporting.chapter import LeadLines
from bayesmodels.reporting.chapters.magnitude.chapter import Magnitudes
from bayesmodels.reporting.chapters.magnitude.figures import trap_figure
from bayesmodels.reporting.drawing import laid_out
from bayesmodels.reporting.summary import checked_json
from bayesmodels.simulation.responder_trap import RANDOMISED, RESPONDERS, responder_trap
from bayesmodels.surrogacy.magnitude.reported import ReportedEffects
from bayesmodels.surrogacy.magnitude.result import DrawnEffect, Level, Magnitude, NewTrial, sufficient
from bayesmodels.surrogacy.trial_level.draws import TrialDraws

DECLARED = {"surrogate": "nfl_plasma", "outcome": "alsfrs_r"}
CHAPTER = Magnitudes()


def page_of(tree, **settings):
    reading = reading_of(tree, CHAPTER, settings=ReportSettings(**DECLARED | settings))
    return reading, list(CHAPTER.section(reading))


def words_of(section):
    cells = [" ".join(map(str, table.to_numpy().ravel())) for table in section.tables.values()]
    return " ".join([*section.paragraphs, *cells, section.note])


@pytest.fixture(scope="module")
def persons():
    return page_of(persons_posterior(), important_difference={"alsfrs_r": 2.0})


def test_every_level_says_what_it_stands_on(persons):
    reading, (implied, _) = persons
    text = words_of(implied)
    assert implied.title == "What a reduction of Plasma NfL implies for ALSFRS-R"
    assert "Only the trial level predicts" in text
    assert "Never a prediction for a trial" in text
    assert "effects of other drugs lie on one line" in text
    assert "Survival is not in this fit" in text
    assert "nan" not in text.lower()
    smallest = next(table for caption, table in implied.tables.items() if caption.startswith("Smallest"))
    assert list(smallest["Level"]) == ["One trial", "Individual level"]
    effects, association = smallest["For an important difference"]
    assert "for 2 points" in effects
    not_asked = "not asked: an association, no effect"
    assert [association, smallest["For any benefit"].iloc[1]] == [not_asked] * 2
    first = next(iter(implied.tables.values()))
    assert list(first["Level"]) == ["One trial", "Individual level", "Individual level, before the data"]
    assert first["Unit"].str.contains("favours").all()
    assert first["Interval"].str.contains("95 %").all()
    beyond = reading.tables["magnitude"].query("not observed")
    assert first[[c for c in first if "lower" in c]].map(lambda cell: "*" in cell).to_numpy().sum() >= len(beyond)


def test_the_trap_has_this_fits_own_persons_and_is_called_simulated(persons):
    reading, (_, trap) = persons
    assert trap.title == "The responder trap (simulated, not data)"
    table = reading.tables["responder_trap"]
    own = table[table["scenario"].str.contains("this fit")].set_index("comparison")
    arms = reading.surrogate.courses.arms(
        "nfl_plasma", "alsfrs_r", 28.0, 28.0, reading.surrogate.declared.contrast, True
    )
    sigma = np.median(arms.pooled, axis=0)
    assert own.loc[RESPONDERS, "correlation"] == pytest.approx(sigma[0, 1] / np.sqrt(sigma[0, 0] * sigma[1, 1]))
    assert own.loc[RESPONDERS, "expected"] > 0
    assert own.loc[RESPONDERS, "mean"] == pytest.approx(
        own.loc[RESPONDERS, "expected"], abs=4 * own.loc[RESPONDERS, "monte_carlo_se"]
    )
    assert (table["true_effect"] == 0).all()
    assert reading.figures.svg("responder_trap").startswith(b"<?xml")


def test_figures_are_one_a_level(persons):
    reading, (implied, _) = persons
    names = [name for name in reading.figures if name.startswith("magnitude")]
    assert names == ["magnitude_one_trial", "magnitude_persons"]
    assert len(implied.figures) == 2
    for name in names:
        assert reading.figures.svg(name).startswith(b"<?xml")


def test_the_lead_is_one_line_and_not_identified(persons):
    reading, _ = persons
    lead = CHAPTER.lead(reading)
    assert not lead.identified
    (line,) = lead.not_identified
    assert "40 % lower Plasma NfL" in line
    assert "Smallest reduction that would suffice" in line
    assert line.startswith("What a reduction implies. One trial")


def test_the_first_screen_has_no_association(persons):
    reading, _ = persons
    alone = replace(reading.magnitude, levels=tuple(x for x in reading.magnitude.levels if x.name == "persons"))
    assert alone.shown
    assert CHAPTER.lead(SimpleNamespace(magnitude=alone, trials=None)) == LeadLines()


def of_a_table():
    """A reading of a table of trials: a new trial, one trial as reported, and persons beside them."""
    rng = np.random.default_rng(0)
    draws = TrialDraws(rng.normal(-0.3, 0.1, 50), rng.normal(0.1, 0.1, 50), *(np.full(50, v) for v in (0.3, 0.2, -0.5)))
    words = {"endpoint": "ALSFRS-R slope", "unit": "points a month", "good": 1.0, "says": "", "assumes": ""}
    level = Level("trials", "Trial level", interval="95 % prediction interval", interval_kind="eti_predictive",
                  effect=NewTrial(draws), line=DrawnEffect(lambda effect: draws.intercept + draws.slope * effect),
                  prior=NewTrial(draws), important=0.3, observed=(0.1, 0.5), **words)  # fmt: skip
    reported = Level("one trial", "One trial: VALOR", interval="95 % confidence interval (Fieller's)",
                     interval_kind="ci", effect=ReportedEffects(-0.916, 0.101, 0.217, 0.214), **words)  # fmt: skip
    person = Level("persons", "Individual level", interval="95 % credible interval",
                   effect=DrawnEffect(lambda effect: rng.normal(-1, 0.1, 50) * effect), **words)  # fmt: skip
    levels = tuple(replace(each, sufficient=sufficient(each, 0.95)) for each in (level, reported, person))
    return SimpleNamespace(
        magnitude=Magnitude("NfL", "ALSFRS-R slope", (0.2, 0.4), 0.95, levels), surrogate=None,
        trials=SimpleNamespace(labels={"surrogate": "NfL", "outcome": "ALSFRS-R slope"}), settings=ReportSettings(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def analysis_rows():
    made = of_a_table()

    class Table(Chapter):
        name = "magnitude"

        def tables(self, reading):
            return CHAPTER.tables(made)

        def layouts(self, reading):
            return CHAPTER.layouts(made)

    content = json.loads(report(one_outcome(fake_posterior()), chapters=(Table(),)).results.as_json())
    checked(content)
    return content["results"]


def kinds_of(rows):
    return {(row["context"], row["interval_kind"], row["interval_level"]) for row in rows if "interval_kind" in row}


def test_implied_effects_are_rows_by_reduction_with_the_kind_of_their_interval(analysis_rows):
    rows = [row for row in analysis_rows if row["table"] == "magnitude"]
    assert {name for row in rows for name in groups_of(row)} == {"endpoint", "level", "title", "reduction"}
    assert {groups_of(row)["reduction"] for row in rows} == {"0.2", "0.4"}
    assert "reduction" not in {row["variable"] for row in rows}
    own = {
        name: [row for row in rows if groups_of(row)["level"] == name] for name in ("trials", "one trial", "persons")
    }
    line = [row for row in own["trials"] if row["variable"] == "line"]
    assert kinds_of(line) == {("posterior", "eti", 0.95)}
    assert kinds_of(row for row in own["trials"] if row["variable"] == "magnitude") == {
        ("posterior", "eti_predictive", 0.95), ("prior", "eti_predictive", 0.95)
    }  # fmt: skip
    assert kinds_of(own["one trial"]) == {("data", "ci", 0.95)}
    assert {row["context"] for row in own["one trial"]} == {"data"}
    assert kinds_of(own["persons"]) == {("posterior", "eti", 0.95)}
    assert not [row for row in own["persons"] if row["stat_name"].startswith("prob")]


def test_smallest_reductions_are_rows_by_margin(analysis_rows):
    rows = [row for row in analysis_rows if row["table"] == "magnitude_sufficient"]
    assert {name for row in rows for name in groups_of(row)} == {"endpoint", "level", "title", "margin"}
    smallest = {
        (groups_of(row)["level"], groups_of(row)["margin"]): row for row in rows if row["stat_name"] == "estimate"
    }
    assert set(smallest) == {("trials", "0"), ("trials", "0.3"), ("one trial", "0"), ("persons", "0")}
    made = of_a_table().magnitude.sufficient
    assert smallest["trials", "0"]["stat"] == made["reduction"][0]
    assert smallest["persons", "0"]["warning"] == "not asked: an association, no effect"
    assert "stat" not in smallest["persons", "0"]


def test_the_responder_trap_is_simulated_and_its_limits_are_over_trials(analysis_rows):
    rows = [row for row in analysis_rows if row["table"] == "responder_trap"]
    assert {row["context"] for row in rows} == {"simulated"}
    assert kinds_of(rows) == {("simulated", "eti_simulated", 0.95)}
    assert {name for row in rows for name in groups_of(row)} == {"scenario", "comparison", "correlation"}
    assert {groups_of(row)["comparison"] for row in rows} == {RESPONDERS, RANDOMISED}
    assert not [row for row in rows if "estimand" in row]


def test_a_hazard_is_a_ratio():
    reading, (implied, *_) = page_of(with_events())
    first = next(iter(implied.tables.values()))
    row = first[(first["Outcome"] == "hazard of withdrawal") & ~first["Level"].str.contains("before")].iloc[0]
    assert row["Unit"] == "hazard ratio, below 1 favours the person with the reduction"
    assert row["40 % lower"].startswith("0.86")  # .6^.3
    assert "Survival is not" not in words_of(implied)
    assert reading.figures.svg("magnitude_persons").startswith(b"<?xml")


def test_reductions_are_the_readers_choice():
    reading, (implied, *_) = page_of(part_of(fake_posterior(), stratum=["all"]), reductions=(0.1, 0.7))
    assert sorted(set(reading.tables["magnitude"]["reduction"])) == [0.1, 0.7]
    assert {"10 % lower", "70 % lower"} < set(next(iter(implied.tables.values())))
    for wrong in ((), (0.0,), (20,), (1.0,), (0.1,) * 7):
        with pytest.raises(ValidationError, match="reductions"):
            ReportSettings(reductions=wrong)


def test_nothing_without_a_declared_surrogate_and_no_trap_of_another_one():
    bare = reading_of(fake_posterior(), CHAPTER, settings=ReportSettings())
    assert list(CHAPTER.section(bare)) == []
    assert (bare.tables, CHAPTER.summary(bare)) == ({}, {})
    turned, (why,) = page_of(part_of(fake_posterior(), stratum=["all"]), surrogate="alsfrs_r", outcome="nfl_plasma")
    assert "natural log scale with down good" in why.paragraphs[0]
    assert turned.tables == {}
    other = renamed(part_of(fake_posterior(), stratum=["all"]))
    reading, sections = page_of(other, outcome="grip")
    assert [section.title for section in sections] == ["What a reduction of Plasma NfL implies for grip"]
    assert "responder_trap" not in reading.tables


def renamed(tree):
    """ALSFRS-R under the name of another outcome."""
    made = tree.copy()
    for name, node in tree.children.items():
        data = node.to_dataset()
        if "outcome" in data.coords:
            labels = ["grip" if label == "alsfrs_r" else label for label in data["outcome"].values.tolist()]
            made[name] = type(node)(data.assign_coords(outcome=labels))
    return made


def test_numbers_are_in_the_summary():
    tree = part_of(fake_posterior(), stratum=["all"])
    made = report(tree, settings=ReportSettings(**DECLARED), chapters=(CHAPTER,))
    content = json.loads(checked_json(made.summary))["chapters"]["magnitude"]
    assert [level["level"] for level in content["levels"]] == ["one trial", "persons"]
    assert len(content["reductions"]) == 3
    assert content["sufficient"][1]["reduction"] is None
    assert content["sufficient"][1]["reason"] == "the fit holds no covariance between persons"


@pytest.mark.parametrize("scenarios", [1, 9])
def test_the_legend_of_the_responder_trap_is_on_the_figure(scenarios):
    trap = responder_trap(0.2, correlation=-0.4, trials=20)
    figure = laid_out(trap_figure([("Drug does nothing to NfL", trap)] * scenarios))
    figure.canvas.draw()
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["responders", "as randomised"]
    box = legend.get_window_extent()
    assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
