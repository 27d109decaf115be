"""From a posterior with a declared surrogate to page, summary and checklist; and refusals."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from fake import chosen, fake_posterior, part_of
from fake_persons import MONTH, persons_posterior
from pydantic import ValidationError
from readings import reading_of

from bayesmodels.errors import BadInput
from bayesmodels.reporting import CHAPTERS, ReportSettings, report
from bayesmodels.reporting.chapter import read
from bayesmodels.reporting.chapters.surrogate.checklist import ITEMS, Checklist, Entry, single_checklist
from bayesmodels.reporting.chapters.surrogate.criteria import wider
from bayesmodels.reporting.chapters.surrogate.mediation import Mediation
from bayesmodels.reporting.page import compose
from bayesmodels.reporting.summary import checked_json
from bayesmodels.surrogacy.evidence import as_json, surrogate_evidence
from bayesmodels.surrogacy.settings import SurrogacySettings

DECLARED = {"surrogate": "nfl_plasma", "outcome": "alsfrs_r", "important_difference": {"alsfrs_r": 2.0}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surrogate")
    return report(persons_posterior(), settings=ReportSettings(**DECLARED)), folder


@pytest.fixture(scope="module")
def content(made):
    return json.loads(checked_json(made[0].summary))["surrogacy"]


ABOUT_SURROGATES = [chapter for chapter in CHAPTERS if "surrogate" in type(chapter).__module__]


def evaluated(tree, **settings):
    """The surrogate's part of a report, without the rest."""
    return reading_of(tree, *ABOUT_SURROGATES, settings=ReportSettings(**DECLARED, **settings))


def listed(tree, **words):
    return single_checklist(evaluated(tree, surrogacy=words)).entries


def answers(verdicts):
    return {verdict.rung: verdict.answer for verdict in verdicts}


def test_the_rungs_lead_the_page(made):
    result, _ = made
    assert answers(result.lead.verdicts) == {
        "response": "supported",
        "individual": "supported",
        "trial": "not assessable",
    }
    assert result.sentence().startswith("response: supported.")
    assert "<strong>response: supported.</strong>" in result._repr_html_()
    page = compose(result.title, result.lead, result.sections[:1])
    assert page.index("Response level") < page.index("Identified by these data")
    assert "drug against placebo" not in page.split("Surrogate: how far")[1]


def test_a_quantity_that_is_wider_after_the_data_than_before_is_named(made):
    rows = [
        {"name": "slope", "note": "", "lower": -18.0, "upper": 28.0, "prior_lower": -7.0, "prior_upper": 6.0},
        {"name": "effect", "note": "", "lower": -1.0, "upper": 2.0, "prior_lower": -5.0, "prior_upper": 5.0},
        {"name": "share", "note": "withheld", "lower": -90.0, "upper": 90.0, "prior_lower": -1.0, "prior_upper": 1.0},
        {"name": "no prior", "note": "", "lower": -9.0, "upper": 9.0, "prior_lower": np.nan, "prior_upper": np.nan},
    ]
    assert wider(rows).startswith("Wider after the data than before: slope. Slopes divide by how much")
    assert wider(rows[1:]) == ""
    (section,) = (found for found in made[0].sections if found.title == "Surrogate: criteria of a single trial")
    latent = made[0].tables["surrogacy_criteria"].query("scale == 'latent'").to_dict("records")
    assert section.note == wider(latent)


def test_associations_of_persons_stand_beside_their_priors(made):
    tables = made[0].tables
    for name in ("surrogacy_slope_r2", "surrogacy_vectors", "surrogacy_correlations"):
        before = tables[name][["prior_lower", "prior_median", "prior_upper"]].to_numpy()
        assert (np.diff(before, axis=1) >= 0).all(), name
    (section,) = (found for found in made[0].sections if found.title == "Surrogate: between persons")
    assert sum("Prior (95 % ETI)" in table.columns for table in section.tables.values()) == 3
    alone = persons_posterior()
    del alone["prior"]
    assert evaluated(alone).tables["surrogacy_vectors"]["prior_median"].isna().all()


def test_what_is_declared_by_default(content):
    assert (content["surrogate_week"], content["outcome_week"]) == (28.0, 28.0)
    assert content["contrast"] == "early - delayed"
    assert content["regions"] == {"surrogate": 0.0, "outcome": 0.0, "residual": 1.0}
    assert content["trial"] is None
    assert content["response"]["verdict"]["answer"] == "supported"


def test_every_number_of_the_page_is_in_the_summary(made, content):
    result, _ = made
    for name, table in result.tables.items():
        if not name.startswith("surrogacy_"):
            continue
        rows = content["tables"][name.removeprefix("surrogacy_")]
        assert len(rows) == len(table)
        for column in table.columns:
            values = [np.nan if row[column] is None else row[column] for row in rows]
            if table[column].dtype.kind == "f":
                np.testing.assert_array_equal(values, table[column].to_numpy())


def test_measures_agree_with_each_other(content):
    criteria = {row["quantity"]: row for row in content["tables"]["criteria"] if row["scale"] == "latent"}
    early = {row["week"]: row for row in content["tables"]["earliness"]}
    assert max(early) == 28.0
    assert early[28.0]["r2_median"] == criteria["r2_individual"]["median"]
    assert early[28.0]["r2_observed_median"] < early[28.0]["r2_median"]
    assert criteria["likelihood_reduction"]["median"] == pytest.approx(criteria["r2_individual"]["median"])
    assert criteria["alpha"]["median"] == pytest.approx(-0.8, abs=0.01)
    # By hand: the delayed arm has drift and decline only, the early arm response and effect besides, linked by -0.9.
    months = 28 / MONTH
    st = 2 / 3 * months * 0.3 * -0.9 * (0.6 + 0.25)
    ss = 2 / 3 * 0.3**2 + (months * 0.02) ** 2
    tt = months**2 * (0.6**2 + 2 / 3 * (0.25**2 + 2 * 0.81 * 0.6 * 0.25))
    assert criteria["r2_individual"]["median"] == pytest.approx(st**2 / (ss * tt), abs=0.005)
    slopes = {row["terms"]: row["median"] for row in content["tables"]["slope_r2"]}
    assert slopes["level + rate + effect"] > slopes["effect"] == pytest.approx(0.81, abs=0.01)
    bridge = next(r for r in content["tables"]["causal_association"] if r["assumption"] == "delayed-start bridge")
    assert bridge["median"] == pytest.approx(0.9, abs=0.01)  # the link of response and effect, turned


def test_figures_can_be_drawn_and_the_checklist_points_to_them(made):
    result, _ = made
    names = [name for name in result.figures if name.startswith("surrogacy_")]
    assert {"surrogacy_persons", "surrogacy_causal_association", "surrogacy_mediation"} < set(names)
    for name in names:
        assert result.figures.svg(name).startswith(b"<?xml")
    entries = result.checklist.entries
    assert entries["E8"] == Entry("met", "figures/surrogacy_causal_association.svg")
    assert {entries[item].status for item in ("D3", "D4", "D8", "D9", "D10", "E1")} == {"not identifiable"}
    assert entries["A1"].status == "not met"
    assert entries["G1"].status == "not applicable"


def test_what_is_written_down_is_met():
    words = {"role": "reasonably likely", "context_of_use": "SOD1-ALS, antisense", "rationale": "axonal damage"}
    tree = fake_posterior()
    entries = listed(tree, **words)
    assert [entries[item].status for item in ("A1", "A2", "A4", "A5", "G1")] == [
        "met", "not met", "met", "not met", "not met",
    ]  # fmt: skip
    assert listed(tree, role="prognostic")["A1"].status == "not met"


def test_a_checklist_has_every_item_once():
    whole = {item: Entry("met", "") for item in ITEMS}
    table = Checklist(whole).table
    assert table["item"].tolist() == list(ITEMS)
    assert json.loads(Checklist(whole).as_json())["items"][0].keys() == {"item", "requirement", "status", "pointer"}
    with pytest.raises(ValueError, match="missing or unknown: A1"):
        Checklist({item: entry for item, entry in whole.items() if item != "A1"})
    with pytest.raises(ValueError, match="A1: expected one of met"):
        Checklist(whole | {"A1": Entry("done", "")})


def test_saved_files(made):
    result, folder = made
    small = ("surrogacy_earliness",)
    kept = type(result)(
        **{
            **vars(result),
            "figures": type(result.figures)({k: lambda k=k: result.figures[k] for k in small}),
            "sections": (),
        }
    )
    kept.save(folder)
    items = json.loads((folder / "checklist.json").read_text())["items"]
    assert len(items) == len(ITEMS)
    assert (folder / "tables" / "surrogacy_criteria.csv").exists()


def one_stratum(tree):
    """All persons only: a quicker report."""
    return part_of(tree, stratum=["all"])


def test_nothing_is_guessed_where_no_surrogate_is_declared():
    result = report(one_stratum(persons_posterior()))
    assert result.lead.verdicts == ()
    assert result.summary["surrogacy"] is None
    assert result.checklist is None
    absent = next(section for section in result.sections if section.title == "Not made from this posterior")
    rows = next(iter(absent.tables.values()))
    assert rows["Config"].iloc[-1] == '[report] surrogate = "nfl_plasma"  outcome = "alsfrs_r"'


def test_settings_that_cannot_be_used():
    with pytest.raises(ValidationError, match="expected surrogate and outcome together"):
        ReportSettings(surrogate="nfl_plasma")
    with pytest.raises(ValidationError, match="got 'svc' twice"):
        ReportSettings(surrogate="svc", outcome="svc")
    with pytest.raises(ValidationError, match="between -1 and 1"):
        ReportSettings(**DECLARED, surrogacy={"confounding": [0.2, 1.0]})
    for field, value in (
        ("important_difference", {"alsfrs_r": -2}), ("margins", {"alsfrs_r": -0.1}), ("margins", {"x": float("nan")}),
        ("shares", (0.5, 2)), ("shares", (-0.1,)), ("parallel_from_week", {"alsfrs_r": -1}),
    ):  # fmt: skip
        with pytest.raises(ValidationError, match=rf"{field}[\s\S]*than or equal to|finite"):
            ReportSettings(**{field: value})
    with pytest.raises(BadInput, match=r"\[report\] surrogate: expected an outcome of this fit .*, got 'pnfh'"):
        report(fake_posterior(), settings=ReportSettings(surrogate="pnfh", outcome="alsfrs_r"))
    with pytest.raises(BadInput, match="expected a week of a visit"):
        evaluated(persons_posterior(), surrogacy={"surrogate_week": 30.0})
    reading, unread = read(fake_posterior()), SurrogacySettings(outcome_week=30.0)
    with pytest.raises(BadInput, match=r"outcome_week: expected a curve week \(0, 4, .*\), got 30"):
        surrogate_evidence(reading.tree, reading.context, reading.observed, "nfl_plasma", "alsfrs_r", unread)


def test_after_the_switch_the_response_is_not_assessable_and_never_drug_against_placebo():
    found = evaluated(persons_posterior(), surrogacy={"surrogate_week": 52.0, "outcome_week": 52.0})
    assert answers(found.surrogate.verdicts)["response"] == "not assessable"
    assert "after the switch at week 28" in found.surrogate.verdicts[0].reasons[0]
    assert "open label, not randomised drug against placebo" in found.surrogate.declared.where


def test_a_late_outcome_leaves_the_response_to_the_surrogates_own_week():
    """NfL to week 28 is randomised; the outcome at week 52 is not, so nothing that compares both is judged."""
    found = evaluated(persons_posterior(), surrogacy={"surrogate_week": 28.0, "outcome_week": 52.0})
    assert answers(found.surrogate.verdicts)["response"] == "supported"
    assert "as randomised" in found.surrogate.verdicts[0].reasons[0]
    assert not found.surrogate.prentice.assessable
    assert "after the switch at week 28" in found.surrogate.prentice.reason
    criteria = found.tables["surrogacy_criteria"].set_index("quantity")
    assert criteria.loc["proportion_explained", "median"].isna().all()
    assert found.tables["surrogacy_earliness"]["prentice_joint"].isna().all()
    assert (
        as_json(found.surrogate, found.tables)["earliest_week"]["effect"] <= 28
    )  # later visits, at which the controls have the drug, do not undo it
    curve = found.tables["surrogacy_mediation"].set_index("week")["estimand"]
    assert (curve[curve.index <= 28] == "as randomised").all()
    assert curve[curve.index > 28].str.contains("not randomised drug against placebo").all()


def test_there_is_no_bridge_where_nobody_starts_late():
    tree = persons_posterior()
    rows = evaluated(tree).tables["surrogacy_causal_association"]["assumption"]
    assert "delayed-start bridge" in set(rows)
    for name in ("posterior", "prior", "observed_summary"):
        dataset = tree[name].to_dataset()
        if "drug_start_week" in dataset.coords:
            tree[name] = xr.DataTree(
                dataset.assign_coords(drug_start_week=("start_group", [0.0, np.inf][: dataset.sizes["start_group"]]))
            )
    tree.attrs["data"] = json.dumps(json.loads(tree.attrs["data"]) | {"controlled_week": None})
    found = evaluated(tree)
    assert np.isinf(found.surrogate.declared.switch_week)
    assert "delayed-start bridge" not in set(found.tables["surrogacy_causal_association"]["assumption"])


def test_means_only_have_a_response_and_no_individual_rung():
    """As a fit of published means: curves by group, no person."""
    tree = fake_posterior()
    found = evaluated(tree)
    assert answers(found.surrogate.verdicts) == {
        "response": "supported",
        "individual": "not assessable",
        "trial": "not assessable",
    }
    assert "no covariance between persons" in found.surrogate.verdicts[1].reasons[0]
    assert not list(found.figures)
    chances = found.surrogate.prentice.probabilities
    assert chances["C1"] > 0.99
    assert np.isnan([chances[name] for name in ("C3", "C4", "joint")]).all()
    assert "without persons" in found.surrogate.prentice.reason
    effects = found.tables["surrogacy_criteria"].set_index("quantity")
    assert effects.loc["beta", "median"] == pytest.approx(0.2 * 28 / MONTH, abs=0.01)
    entries = single_checklist(found).entries
    assert (entries["D1"].status, entries["D2"].status) == ("met", "not identifiable")


def test_a_fit_that_did_not_converge_supports_nothing():
    tree = persons_posterior(verdict="not_converged")
    found = evaluated(tree)
    assert set(answers(found.surrogate.verdicts).values()) == {"not assessable"}
    for verdict in found.surrogate.verdicts[:2]:
        assert verdict.sentence.endswith(" is not known: the chains did not converge.")
        assert verdict.line == f"{verdict.rung}: not assessable. {verdict.sentence}"
        assert verdict.what_would_change_it == ("Longer chains, until they converge.",)
    assert "These data cannot say" not in found.surrogate.sentence()
    assert "trial: not assessable. Whether an effect" in found.surrogate.sentence()
    assert found.surrogate.sentence().endswith(
        "One trial has one pair of effects; no correlation of effects can be computed from it."
    )
    assert found.surrogate.prentice.reason == "the chains did not converge"
    assert found.surrogate.trial.proportion_explained.withheld == "the chains did not converge"
    assert found.tables["surrogacy_mediation"]["share_median"].isna().all()
    assert as_json(found.surrogate, found.tables)["earliest_week"] == {}
    assert {single_checklist(found).entries[item].status for item in ("D2", "D7", "D12", "E7")} == {"not met"}


def test_one_start_group_has_an_individual_rung_only():
    tree = persons_posterior()
    groups = {}
    for name, node in tree.children.items():
        dataset = chosen(node.to_dataset(), start_group=["early"])
        groups[name] = dataset.drop_dims("contrast") if "contrast" in dataset.dims else dataset
    alone = xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups})
    found = evaluated(alone)
    assert answers(found.surrogate.verdicts)["response"] == "not assessable"
    assert answers(found.surrogate.verdicts)["individual"] == "supported"
    assert "surrogacy_slope_r2" in found.tables
    assert "surrogacy_mediation" not in found.tables


def test_an_effect_that_follows_the_surrogate_is_implied_by_the_model():
    effect = {"type": "follows", "outcome": "nfl_plasma"}
    spec = json.dumps({"type": "longitudinal", "outcomes": [{"name": "alsfrs_r", "unit": "points", "effect": effect}]})
    found = evaluated(persons_posterior(model=spec))
    assert "surrogacy_sensitivity" not in found.tables
    section = Mediation().section(found)
    assert section.paragraphs[0].startswith("Implied by the model")
    assert (found.tables["surrogacy_mediation"]["direct_median"] == 0).all()


def test_no_cell_of_the_sections_is_a_raw_nan(made):
    for section in made[0].sections:
        if section.title.startswith("Surrogate"):
            for table in section.tables.values():
                assert not table.map(lambda value: bool(re.search(r"\bnan\b", str(value)))).any().any(), section.title
