"""Tables, figures and sections about events, against a posterior whose every number is known."""

import json
import math
import re

import jsonschema
import numpy as np
import pytest
import xarray as xr
from ard_rows import checked, groups_of
from fake import MONTH, fake_posterior, one_outcome
from fake_events import ALPHA, DELTAS, HAZARD, LEAVING
from readings import reading_of
from scipy.stats import norm
from table_rows import one

from bayesmodels.posterior import archive as posterior
from bayesmodels.posterior.context import Outcome
from bayesmodels.reporting import ReportSettings, report
from bayesmodels.reporting.chapters.dropout import Dropout
from bayesmodels.reporting.chapters.events.associations import Associations, harmful_step
from bayesmodels.reporting.chapters.events.estimands import ESTIMANDS
from bayesmodels.reporting.chapters.events.hazards import Hazards
from bayesmodels.reporting.chapters.events.prediction import Prediction
from bayesmodels.reporting.chapters.events.survival import Survival
from bayesmodels.reporting.summary import schema
from bayesmodels.vocabulary import EVENT_GROUPS, VARIABLES

ALSFRS = Outcome("alsfrs_r", "points", good_direction="up", effect_unit="points per month")
NFL = Outcome("nfl_plasma", "ln", "log", "down", effect_unit="ln")


@pytest.fixture(scope="module")
def tables(events):
    return reading_of(events, Associations(), Hazards(), Survival()).tables


@pytest.fixture(scope="module")
def saved(events, tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    whole = {name: node.to_dataset() for name, node in events.children.items()}
    everyone = {name: data.sel(stratum=["all"]) if "stratum" in data.dims else data for name, data in whole.items()}
    everyone["dynamic_prediction"] = everyone["dynamic_prediction"].sel(example=[0], landmark=[12.0])
    del everyone["observed_summary"], everyone["predictive_summary"]
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=events.attrs), **everyone})
    path = posterior.save(tree, folder / "posterior.nc")
    return folder, report(path, folder / "report")


def test_the_fake_keeps_to_the_vocabulary(events):
    for name in ("hazard_effect", "association", "baseline_hazard", "baseline_shape"):
        assert events["posterior"][name].dims[2:] == VARIABLES[name].dims
    for group, variables in EVENT_GROUPS.items():
        assert set(events[group].data_vars) == set(variables)
        for name, variable in variables.items():
            assert tuple(d for d in events[group][name].dims if d not in ("chain", "draw")) == variable.dims


def test_a_hazard_ratio_is_per_point_lower(tables):
    row = one(tables["associations"], event="death", form="value")
    assert row["hazard_ratio"] == pytest.approx(math.exp(-ALPHA), rel=1e-3)
    z = norm.ppf(0.975)
    assert row[["ratio_lower", "ratio_upper"]].tolist() == pytest.approx(
        [math.exp(0.1 - 0.02 * z), math.exp(0.1 + 0.02 * z)], rel=2e-3
    )
    assert row["per"] == "per point lower ALSFRS-R"
    assert row["direction"] == "above 1: the worse ALSFRS-R, the more death"
    assert row["probability_harmful"] == 1.0
    assert row["unit"] == "log hazard ratio per points"
    assert one(tables["associations"], form="rate")["unit"] == "log hazard ratio per points per month"


def test_a_doubling_of_nfl_is_the_step_of_a_log_outcome(tables):
    row = one(tables["associations"], event="withdrawal")
    assert row["per"] == "per doubling of Plasma NfL"
    assert row["hazard_ratio"] == pytest.approx(2**0.3, rel=1e-3)


@pytest.mark.parametrize(
    ("outcome", "form", "step", "words"),
    [
        (ALSFRS, "rate", -1.0, "per point a month lower, current rate of ALSFRS-R"),
        (ALSFRS, "area", -12.0, "per point lower ALSFRS-R, held for a year"),
        (ALSFRS, "terms:level", -1.0, "per point lower own level of ALSFRS-R"),
        (ALSFRS, "terms:rate", -1.0, "per point a month lower, own rate of ALSFRS-R"),
        (ALSFRS, "terms:effect", -1.0, "per points per month lower, own effect of ALSFRS-R"),
        (NFL, "rate", math.log(1.1), "per 10 % a month higher, current rate of Plasma NfL"),
        (Outcome("grip", "ln", "log", "up"), "rate", math.log(0.9), "per 10 % a month lower, current rate of grip"),
        (NFL, "area", 12 * math.log(2), "per doubling of Plasma NfL, held for a year"),
        (Outcome("grip"), "value", 1.0, "per unit higher grip"),
    ],
)
def test_steps_go_towards_the_worse(outcome, form, step, words):
    assert harmful_step(outcome, form) == (pytest.approx(step), words)


def test_hazard_ratios_of_start_groups_say_whom_they_favour(tables):
    early = one(tables["hazard_effects"], hazard_covariate="start_group: early")
    assert early["hazard_ratio"] == pytest.approx(0.5, rel=1e-3)
    assert early["probability_below_one"] == 1.0
    assert early["direction"] == "below 1 favours early"
    age = one(tables["hazard_effects"], hazard_covariate="age")
    assert (age["unit"], age["direction"]) == ("log hazard ratio per SD", "")


def test_curves_are_those_of_exponential_hazards(tables):
    curves = tables["event_curves"]
    months = 76 / MONTH
    alive = one(curves, name="survival", start_group="early", stratum="all", week=76.0)
    assert alive["median"] == pytest.approx(math.exp(-HAZARD["early"] * months), rel=1e-3)
    total = HAZARD["delayed"] + LEAVING
    died = one(curves, name="cumulative_incidence", event="death", start_group="delayed", stratum="all", week=76.0)
    assert died["median"] == pytest.approx(HAZARD["delayed"] / total * (1 - math.exp(-total * months)), rel=2e-3)
    assert set(curves["unit"]) == {"probability", "months", "ln", "points"}


def test_dropout_tables(events):
    found = reading_of(events, Dropout()).tables
    jump = one(found["dropout_strategies"], strategy="jump_to_reference")
    assert jump["median"] == pytest.approx(0.4, abs=0.02)
    assert jump["probability_favours"] == pytest.approx(norm.cdf(0.4 / 0.3), abs=0.03)
    assert jump["direction"] == "+ favours early"
    assert found["dropout_tipping"]["tipping_point"].tolist() == pytest.approx([0.4, np.nan], nan_ok=True)


def test_dropout_tables_of_a_score_with_limits(events):
    """Latent differences half a point larger, with a tipping point of their own, in a column beside."""
    both = events.copy()
    data = both["dropout_sensitivity"].to_dataset()
    more = {"latent_difference": data["difference"] + 0.5, "latent_tipping_point": data["tipping_point"] + 0.2,
            "latent_tipping_status": data["tipping_status"]}  # fmt: skip
    both["dropout_sensitivity"] = data.assign(more).assign_attrs(limits_in_words="within 0 to 48")
    reading = reading_of(both, Dropout())
    rows = reading.tables["dropout_strategies"]
    np.testing.assert_allclose(rows["latent_median"], rows["median"] + 0.5)
    np.testing.assert_allclose(rows["latent_lower"], rows["lower"] + 0.5)
    tipping = reading.tables["dropout_tipping"]
    assert tipping["latent_tipping_point"].tolist() == pytest.approx([0.6, np.nan], nan_ok=True)
    section = Dropout().section(reading)
    strategies, points = (next(t for name, t in section.tables.items() if name.startswith(k)) for k in ("Diff", "Tip"))
    assert strategies["Without limits (latent)"].str.startswith("1.5").tolist()[0]
    assert points["Without limits (latent)"].tolist() == ["0.600 points per month", "none in the grid"]
    assert "Limits: within 0 to 48." in section.paragraphs
    assert "latent_median" not in reading_of(events, Dropout()).tables["dropout_strategies"]
    content = json.loads(report(both, chapters=(Dropout(),)).results.as_json())
    checked(content)
    points = [row for row in content["results"] if row["table"] == "dropout_tipping"]
    assert not [row for row in points if "latent_status" in groups_of(row)]
    own = [row for row in points if row["variable"] == "latent_tipping_point"]
    assert [(row["stat_name"], row.get("stat"), row.get("unit"), row.get("warning")) for row in own] == [
        ("estimate", pytest.approx(0.6), "points per month", None),
        ("estimate", None, "points per month", "none in the grid"),
    ]
    latent = {row["variable"] for row in content["results"] if row["variable"].startswith("latent")}
    assert latent == {"latent_difference", "latent_tipping_point"}


def test_no_probability_of_those_who_left_where_too_few_are_observed(events):
    later = events.copy()
    later["dropout_sensitivity"].attrs["week"] = 148.0
    reading = reading_of(later, Dropout())
    table = reading.tables["dropout_strategies"]
    assert table["probability_favours"].isna().all()
    assert table["withheld"].str.contains("half of each group").all()
    assert table["median"].notna().all()
    assert list(reading.figures) == ["dropout_alsfrs_r_all"]
    assert "tipping_alsfrs_r_all" in reading_of(events, Dropout()).figures


def test_prediction_tables(events):
    found = reading_of(events, Prediction()).tables
    auc = one(found["prediction_accuracy"], event="death", landmark=12.0, quantity="auc")
    assert auc["median"] == pytest.approx(0.75, abs=2e-3)
    scaled = one(found["prediction_accuracy"], event="death", landmark=12.0, quantity="scaled_brier")
    assert scaled["median"] == pytest.approx(1 - 0.12 / 0.16, abs=5e-3)
    reference = one(found["prediction_accuracy"], event="death", landmark=12.0, quantity="brier_reference")
    assert math.isnan(reference["lower"])
    group = one(found["prediction_calibration"], event="death", landmark=12.0, risk_group=3)
    assert (group["observed"], group["predicted"]) == (pytest.approx(0.42), pytest.approx(0.4, abs=2e-3))


def test_a_window_without_follow_up_is_shown(events):
    changed = events.copy()
    data = changed["dynamic_prediction"].to_dataset()
    there = data["landmark"] == 28.0
    for name in ("auc", "brier", "brier_reference", "predicted_risk", "observed_risk"):
        data[name] = data[name].where(there)
    changed["dynamic_prediction"] = xr.DataTree(data)
    reading = reading_of(changed, Prediction())
    gone = reading.tables["prediction_accuracy"].query("landmark == 12")
    assert gone["quantity"].tolist() == ["brier", "brier"]  # of two events
    assert gone["median"].isna().all()
    section = Prediction().section(reading)
    (shown,) = section.tables.values()
    assert shown.columns[3:].tolist() == [f"{name} (95 % ETI)" for name in ("AUC", "Brier score", "Scaled Brier score")]
    row = shown[(shown["Event"] == "death") & (shown["Landmark, week"] == 12)].iloc[0]
    assert row.tolist()[3:] == ["–", "no follow-up to the horizon", "–"]


def test_no_scaled_brier_where_nobody_had_the_event(events):
    changed = events.copy()
    data = changed["dynamic_prediction"].to_dataset()
    data["brier_reference"] = data["brier_reference"].where(data["landmark"] != 12.0, 0.0)
    changed["dynamic_prediction"] = xr.DataTree(data)
    rows = reading_of(changed, Prediction()).tables["prediction_accuracy"].query("quantity == 'scaled_brier'")
    assert 12.0 not in rows["landmark"].tolist()
    assert len(rows) > 0


def test_the_page_has_the_sections_and_says_what_they_mean(saved):
    folder, made = saved
    titles = [section.title for section in made.sections]
    wanted = [
        "Survival and other events", "Estimands side by side", "What of the course goes with events",
        "Hazard ratios of covariates and start groups", "If those who left did otherwise",
        "Prediction for a person, updated visit by visit",
    ]  # fmt: skip
    assert [title for title in titles if title in wanted] == wanted
    page = (folder / "report" / "report.html").read_text()
    meanings = [words for about in ESTIMANDS.values() for words in (about.meaning, about.is_not)]
    words = ("per point lower ALSFRS-R", "Jump to reference", "+ favours early", "none in the grid", "in early only")
    for text in (*meanings, *words, "0.400 points per month", "(0.95 equal-tailed)", "AUC"):
        assert text in page.replace("&#39;", "'"), text
    assert "Kaplan-Meier, confidence interval, 0.95, log-log." in page
    assert "treatment policy" in page
    assert "Strategies are those of ICH E9(R1) (2019)" in page
    (hazards,) = (s for s in made.sections if s.title == "Hazard ratios of covariates and start groups")
    assert hazards.note == (
        "After week 28 start groups are compared by when they started: open label, not randomised drug against placebo."
    )
    assert "placebo" not in page.replace("not randomised drug against placebo", "")
    assert not re.search(r"\bnan\b", page)
    assert "all persons, as if alive and followed, exits as modelled" in page  # the associations are in the model
    assert "as if alive and followed, missing at random" not in page
    for name in ("survival_all", "incidence_death_all", "dropout_alsfrs_r_all", "tipping_alsfrs_r_all",
                 "calibration_death_12", "example_0_alsfrs_r", "example_0_survival"):  # fmt: skip
        assert (folder / "report" / "figures" / f"{name}.png").exists(), name
    for name in ("estimands", "associations", "event_curves", "dropout_strategies", "prediction_accuracy"):
        assert (folder / "report" / "tables" / f"{name}.csv").exists()
    jsonschema.validate(json.loads((folder / "report" / "summary.json").read_text()), schema())


def test_the_page_says_what_is_assumed_of_those_who_entered_late(events):
    def page(late):
        changed = events.copy()
        changed["event_data"].attrs["entered_late"] = late
        return report(changed).html

    assert "Persons who entered after randomisation: 7." in page(7)
    assert "survivors pass for the population" in page(7)
    assert "Persons who entered after randomisation" not in page(0)


def test_parameters_and_curves_take_the_hazards_in(saved):
    tables = saved[1].tables
    row = one(tables["parameters"], name="association", event="death", form="value")
    assert (row["unit"], row["outcome"]) == ("log hazard ratio per points", "alsfrs_r")
    assert one(tables["parameters"], name="hazard_effect", hazard_covariate="age")["unit"] == "log hazard ratio per SD"
    assert len(tables["parameters"].query("name == 'baseline_shape'")) == 1  # undefined without a Weibull hazard
    hazard = one(tables["curves"], name="baseline_hazard", event="withdrawal", week=28.0)
    assert hazard["median"] == pytest.approx(LEAVING, rel=1e-2)
    assert (hazard["unit"], hazard["outcome"]) == ("per month", "")
    assert "typical courses" in hazard["estimand"]


def test_the_tipping_figure_marks_where_the_interval_includes_zero(saved):
    figure = saved[1].figures["tipping_alsfrs_r_all"]
    dots = {(round(float(x), 3), round(float(y), 3)) for line in figure.axes[0].lines if line.get_marker() == "."
            for x, y in [(line.get_xdata()[0], line.get_ydata()[0])]}  # fmt: skip
    wide = 0.3 * norm.ppf(0.975)
    expected = {
        (round(float(reference), 3), round(float(group), 3))
        for group in DELTAS
        for reference in DELTAS
        if abs(1.0 - 2 * group + reference) < wide
    }
    assert dots == expected
    assert "Delta in delayed" in figure.axes[0].get_xlabel()


def test_a_posterior_without_events_is_as_before():
    made = report(one_outcome(fake_posterior()))
    titles = {section.title for section in made.sections}
    assert not titles & {"Survival and other events", "Estimands side by side", "If those who left did otherwise"}
    assert "event" not in made.tables["curves"]
    assert "events and associations" not in made.html
    assert not {"estimands", "associations", "event_curves", "dropout_strategies"} & set(made.tables)


def test_what_is_missing_is_left_out(events):
    """Curves without data, no examples, no dropout: each section stands alone."""
    groups = {name: node.to_dataset() for name, node in events.children.items()}
    del groups["event_data"], groups["dropout_sensitivity"]
    drop = [name for name in groups["dynamic_prediction"].data_vars if str(name).startswith("example")]
    groups["dynamic_prediction"] = groups["dynamic_prediction"].drop_vars([*drop, "example"])
    made = report(xr.DataTree.from_dict({"/": xr.Dataset(attrs=events.attrs), **groups}),
                  settings=ReportSettings(contrast_weeks=(28.0,)))  # fmt: skip
    assert set(made.tables["estimands"]["week"]) == {28.0}
    assert not [name for name in made.figures if name.startswith(("example", "dropout", "tipping"))]
    assert made.figures["survival_all"]
