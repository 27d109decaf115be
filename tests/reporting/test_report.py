"""The report as a whole: page, summary, files, and what it must not import."""

import base64
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import jsonschema
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake import chosen, fake_posterior, one_outcome

from bayesmodels.errors import BadInput, BayesmodelsError, MissingVariable
from bayesmodels.posterior import archive as posterior
from bayesmodels.reporting import ReportSettings, Section, compose, report
from bayesmodels.reporting.drawing import new_panel
from bayesmodels.reporting.page import Block, Picture
from bayesmodels.reporting.summary import checked_json, schema
from bayesmodels.vocabulary import VARIABLES


class Tags(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    settings = ReportSettings(margins={"alsfrs_r": 0.3}, important_difference={"alsfrs_r": 2})
    return folder, report(fake_posterior(), folder, settings)


def test_a_converged_fit_has_no_stamp(saved):
    assert saved[1].stamp is None
    assert 'class="stamp' not in (saved[0] / "report.html").read_text()


def test_files(saved):
    folder, made = saved
    names = {path.name for path in folder.iterdir()}
    files = {"summary.json", "ard.parquet", "ard.json", "curves.csv", "report.html", "manifest.json"}
    assert names == files | {"tables", "figures"}
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"{name}.{kind}" for name in made.figures for kind in ("png", "svg")
    }
    effects = pd.read_csv(folder / "tables" / "effects.csv")
    np.testing.assert_allclose(effects["median"], made.tables["effects"]["median"], atol=1e-12)


def test_page_is_one_file_that_asks_for_nothing(saved):
    page = Tags((saved[0] / "report.html").read_text())
    sources = [attrs["src"] for attrs in page.named("img")]
    assert len(sources) == len(saved[1].figures)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not page.named("script")
    assert not page.named("link")
    assert all(attrs["href"].startswith("#") for attrs in page.named("a"))
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {attrs["href"][1:] for attrs in page.named("a")} <= ids


def test_page_can_be_read_without_seeing_it(saved):
    page = Tags((saved[0] / "report.html").read_text())
    assert page.named("html")[0]["lang"] == "en"
    assert all(len(attrs["alt"]) > 20 for attrs in page.named("img"))
    assert len(page.named("caption")) == len(page.named("table"))
    assert {attrs.get("scope") for attrs in page.named("th")} == {"col", "row"}


def test_first_screen_leads_with_what_is_identified(saved):
    lead = saved[1].lead
    assert lead.identified[0].startswith("Plasma NfL: effect of the drug −0.80 (−1.00 to −0.60) ln, that is 55 % lower")
    assert any(
        line.startswith("ALSFRS-R: lag of the effect 2.5") and "Not learned" in line for line in lead.not_identified
    )
    page = (saved[0] / "report.html").read_text()
    assert page.index("Identified by these data") < page.index("<main")


def test_every_comparison_after_the_switch_says_what_it_is(saved):
    text = Tags((saved[0] / "report.html").read_text()).text
    for figure in re.findall(r"Median and 95 % ETI.*?\.\n", text):
        assert "all persons, as if alive and followed, missing at random" in figure
        assert "open label, not randomised drug against placebo" in figure
    table = saved[1].tables["deltas"]
    after = table[table["week"] > 28]
    assert after["estimand"].str.contains("open label, not randomised drug against placebo").all()
    assert after["observed_group"].notna().all()
    assert "placebo-controlled" not in text


def test_no_headline_past_half_observed(saved):
    assert not any("week 148" in line for line in (*saved[1].lead.identified, *saved[1].lead.not_identified))


def test_an_unconverged_fit_is_stamped_everywhere(tmp_path):
    made = report(one_outcome(fake_posterior(verdict="not_converged")))
    page = made.html
    n = len(made.sections)
    assert page.count('class="stamp small"') == n
    assert page.count('<p class="stamp" role="alert">This fit did not converge: R-hat above 1.05 in ') == 1
    assert page.count('<strong class="mark">Not converged.</strong>') == len(made.figures)
    assert "did not converge" in made._repr_html_()


def test_summary_obeys_its_schema_and_the_contract(saved):
    content = json.loads((saved[0] / "summary.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(content, schema())
    assert list(content) == [
        "schema", "model", "data", "interval", "warnings", "convergence", "parameters", "contrasts", "surrogacy",
        "chapters", "seconds",
    ]  # fmt: skip
    assert content["interval"] == {"kind": "eti", "prob": 0.95}
    names = {row["name"] for row in content["parameters"]}
    assert names == {"population_rate", "drug_effect", "group_drug_effect", "effect_lag", "person_correlation"}
    assert all(VARIABLES[name].level == "population" for name in names)
    assert sum(row["name"] == "person_correlation" for row in content["parameters"]) == 3
    contrasts = [
        row for row in content["contrasts"] if row["name"] == "difference" and row["index"]["stratum"] == "all"
    ]
    function = {row["week"]: row for row in contrasts if row["index"]["outcome"] == "alsfrs_r"}
    assert set(function) == {0, 4, 12, 28, 40, 52, 76, 100, 148}
    assert function[28]["index"] == {"outcome": "alsfrs_r", "stratum": "all", "contrast": "early - delayed"}
    assert function[28]["probability_favours"] == 1.0
    assert function[148]["probability_favours"] is None
    assert function[28]["direction"] == "+ favours early"
    assert "NaN" not in (saved[0] / "summary.json").read_text()


def test_summary_with_a_wrong_field_is_refused(saved):
    broken = saved[1].summary | {"schema": 2}
    with pytest.raises(BayesmodelsError, match=r"summary\.json at \$\.schema: 1 was expected"):
        checked_json(broken)


def test_contrast_weeks_can_be_chosen():
    made = report(fake_posterior(), settings=ReportSettings(contrast_weeks=(28, 52)))
    weeks = {row["week"] for row in made.summary["contrasts"] if row["name"] == "difference"}
    assert weeks == {28, 52}


def test_settings_that_name_unknown_outcomes_are_refused():
    with pytest.raises(BadInput) as caught:
        report(fake_posterior(), settings=ReportSettings(margins={"alsfrs": 1}, important_difference={"x": 1}))
    assert caught.value.problems == (
        "[report] important_difference: expected an outcome of this fit (nfl_plasma, alsfrs_r), got 'x'",
        "[report] margins: expected an outcome of this fit (nfl_plasma, alsfrs_r), got 'alsfrs'",
    )


def test_smallest_posterior_gets_its_effect_report(tmp_path):
    draws = np.random.default_rng(1).normal(0.3, 0.1, (2, 300, 1, 1))
    small = xr.Dataset(
        {"drug_effect": (("chain", "draw", "outcome", "stratum"), draws)},
        coords={"outcome": ["grip"], "stratum": ["all"], "good_direction": ("outcome", ["up"])},
    )
    made = report(xr.DataTree.from_dict({"posterior": small}), tmp_path)
    assert made.tables["effects"]["probability_favours"].item() == pytest.approx(np.mean(draws > 0))
    assert "Convergence was not recorded" in made.stamp
    assert 'reference_group = "delayed"' in Tags((tmp_path / "report.html").read_text()).text
    jsonschema.validate(json.loads((tmp_path / "summary.json").read_text()), schema())


def test_means_without_levels_or_persons_are_reported(tmp_path):
    means = fake_posterior()
    means["posterior"] = means["posterior"].to_dataset().drop_vars(["curve", "person_correlation"])
    del means["observed_summary"], means["predictive_summary"]
    made = report(means)
    assert "curve_nfl_plasma_all" in made.figures
    assert "predictive_coverage" not in made.tables
    assert made.summary["contrasts"][3]["probability_favours"] == 1.0


def test_no_posterior_group_is_said_so():
    with pytest.raises(MissingVariable, match="no group 'posterior'"):
        report(xr.DataTree.from_dict({"prior": xr.Dataset()}))


def test_extra_sections_and_notes_come_from_the_posterior():
    figure, _ = new_panel()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    extra = {
        "title": "Compared with <what> came later",
        "paragraphs": ["Ten of ten inside."],
        "table": [{"week": 40, "inside": True}],
        "figure_png_base64": base64.b64encode(buffer.getvalue()).decode(),
    }
    tree = fake_posterior(extra_sections=json.dumps([extra]), notes=json.dumps(["The prior knew this trial."]))
    page = report(one_outcome(tree)).html
    assert "Compared with &lt;what&gt; came later" in page
    assert "data:image/png;base64," in page
    assert page.index("The prior knew this trial.") < page.index("<main")


def test_pages_of_blocks_keep_their_own_stamp():
    sections = [
        Section("Loose", ["p"], {"Numbers": pd.DataFrame({"x": ["a"], "value": [-1234.5]})}),
        Block("Stamped", [Section("Inside", figures=[Picture(lambda: new_panel()[0], "empty axes")])], stamp="NO"),
    ]
    html = compose("Title", ["lead"], sections)
    assert "−1,234" in Tags(html).text
    assert html.count("NO") == 2


def test_a_report_needs_neither_pymc_nor_the_model(tmp_path):
    path = posterior.save(one_outcome(fake_posterior()), tmp_path / "posterior.nc")
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from bayesmodels.reporting import report\n"
        f"print(report({str(path)!r}, {str(tmp_path / 'out')!r}).title)\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('pymc', 'pytensor', 'nutpie')])\n"
        "print([m for m in sys.modules if m.startswith(('bayesmodels.models', 'bayesmodels.fitting'))])\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["made-up trial: longitudinal model", "[]", "[]", "False"]


def test_one_start_group_has_no_comparison_and_still_a_report():
    two = one_outcome(fake_posterior())
    groups = {
        name: chosen(node.to_dataset().drop_vars(["difference", "contrast"], errors="ignore"), start_group=["early"])
        for name, node in two.children.items()
    }
    alone = xr.DataTree.from_dict({"/": xr.Dataset(attrs=two.attrs), **groups})
    made = report(alone)
    assert "differences" not in made.tables
    assert not [row for row in made.summary["contrasts"] if row["name"] == "difference"]
    assert "curve_alsfrs_r_all" in made.figures
    assert "Not made from this posterior" in made.html


def test_a_difference_is_told_once_where_both_points_are_one_week(tree):
    lead = report(tree, settings=ReportSettings(end_week=28)).lead
    lines = [line for line in (*lead.identified, *lead.not_identified) if "at week 28" in line]
    assert len(lines) == len(set(lines)) == 2


def test_means_published_without_standard_errors_are_not_said_to_have_intervals(tree):
    assert "(markers, with 95 % confidence intervals) are of those still followed" in report(tree).html
    bare = tree.copy()
    bare["observed_summary"] = bare["observed_summary"].to_dataset().assign(se=lambda cells: cells["se"] * np.nan)
    assert "(markers, whose standard errors are not known) are of those still followed" in report(bare).html


def test_an_unknown_figure_or_table_is_answered_with_those_there_are(saved):
    made = saved[1]
    with pytest.raises(KeyError, match=r"no figure 'curve_alsfrs_r'; there are .*curve_alsfrs_r_all"):
        made.figures["curve_alsfrs_r"]
    with pytest.raises(KeyError, match=r"no table 'effect'; there are curves, .*effects"):
        made.tables["effect"]
    assert made.figures.get("curve_alsfrs_r") is None
    assert "effect" not in made.tables


def test_a_notebook_shows_a_figure_without_being_told(saved):
    figure = saved[1].figures["curve_alsfrs_r_all"]
    assert figure._repr_png_().startswith(b"\x89PNG")
