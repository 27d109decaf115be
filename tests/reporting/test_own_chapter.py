"""A chapter of one's own, with no edit of the package: the page shows it, and `summary.json` has its numbers."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
from fake import OUTCOMES, fake_posterior, one_outcome, part_of

from bayesmodels.errors import BadInput
from bayesmodels.reporting import CHAPTERS, Chapter, LeadLines, Needs, ReportSettings, Section, report
from bayesmodels.reporting.chapters.parameters import Parameters
from bayesmodels.reporting.drawing import new_panel
from bayesmodels.reporting.summary import schema


class Doubling(Chapter):
    """Weeks in which the untreated decline doubles, made up."""

    name = "doubling"
    needs = Needs(("population_rate",))

    def tables(self, reading):
        rate = reading.posterior("population_rate").sel(outcome="alsfrs_r")
        rows = [
            {"stratum": s, "median": float(np.median(2 * rate.sel(stratum=s))), "unit": "points per month"}
            for s in rate["stratum"].values
        ]
        return {"doubling": pd.DataFrame(rows), "doubling_none": pd.DataFrame()}

    def figures(self, reading):
        def draw():
            figure, axes = new_panel()
            axes.bar(reading.tables["doubling"]["stratum"], reading.tables["doubling"]["median"])
            return figure

        return {"doubling": draw}

    def section(self, reading):
        pictures = reading.pictures("doubling", "Twice the rate of decline by stratum, as bars.", "Medians.")
        return Section("Twice the decline", ["Made up."], {"By stratum": reading.tables["doubling"]}, pictures)

    def lead(self, reading):
        return LeadLines(identified=[f"Twice the decline: {len(reading.tables['effects'])} effects stand beside it."])

    def summary(self, reading):
        return {"rows": reading.tables["doubling"].to_dict("records"), "undefined": np.nan}


class Unseen(Chapter):
    """Needs a group that no posterior has."""

    name = "unseen"
    needs = Needs(groups=("moon",), made_by="fit(model, data, settings, analyses=(Moon(),))")

    def section(self, reading):
        raise AssertionError("asked of a posterior without its group")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "report"
    tree = part_of(fake_posterior(), outcome=["alsfrs_r"], stratum=["slower"])
    return folder, tree, report(tree, folder, chapters=(*CHAPTERS, Doubling(), Unseen()))


def test_the_page_shows_it_after_the_others(saved):
    folder, _, made = saved
    titles = [section.title for section in made.sections]
    assert titles[-2:] == ["Twice the decline", "Not made from this posterior"]
    page = (folder / "report.html").read_text()
    assert "Twice the decline: " in page[: page.index("<main")]
    assert 'alt="Twice the rate of decline by stratum, as bars."' in page


def test_its_table_and_figure_are_saved(saved):
    folder, tree, made = saved
    rate = tree["posterior"]["population_rate"].sel(outcome="alsfrs_r", stratum="slower")
    table = pd.read_csv(folder / "tables" / "doubling.csv")
    assert table["stratum"].tolist() == ["slower"]
    np.testing.assert_allclose(table["median"], 2 * np.median(rate))
    assert {path.suffix for path in (folder / "figures").glob("doubling.*")} == {".png", ".svg"}
    assert "doubling_none" not in made.tables


def test_the_summary_has_its_numbers(saved):
    content = json.loads((saved[0] / "summary.json").read_text())
    jsonschema.validate(content, schema())
    assert content["schema"] == 1
    assert content["chapters"]["doubling"]["undefined"] is None
    (row,) = content["chapters"]["doubling"]["rows"]
    assert row["unit"] == "points per month"
    assert row["stratum"] == "slower"


def test_what_it_lacks_is_said_with_the_call_that_makes_it(saved):
    rows = next(iter(saved[2].sections[-1].tables.values())).set_index("Report")
    assert rows.loc["unseen"].tolist() == ["moon", "fit(model, data, settings, analyses=(Moon(),))"]
    assert rows.loc["dropout sensitivity", "Config"].startswith("[dropout] outcome = ")
    assert "doubling" not in rows.index
    assert "effects" not in rows.index


def test_fewer_chapters_make_a_shorter_page():
    made = report(fake_posterior(), settings=ReportSettings(), chapters=(Parameters(),))
    assert [section.title for section in made.sections[:-1]] == ["All population parameters"]
    assert {row["index"].get("outcome") for row in made.summary["parameters"]} <= {*OUTCOMES, None}
    assert made.summary["chapters"] == {}
    assert made.summary["contrasts"] == []


def test_chapters_in_each_others_way_are_refused():
    class Again(Doubling):
        name = "again"

    tree = one_outcome(fake_posterior())
    with pytest.raises(BadInput, match=r"chapter 'again': expected new names, got a table 'doubling' of an earlier"):
        report(tree, chapters=(Doubling(), Again()))
    with pytest.raises(BadInput, match="expected each name once, got two named 'doubling'"):
        report(tree, chapters=(Doubling(), Doubling()))
    with pytest.raises(BadInput, match=r"expected values, got the class Doubling; write Doubling\(\)"):
        report(tree, chapters=(Doubling,))


def test_what_is_no_chapter_is_refused():
    class Nameless(Chapter):
        pass

    tree = one_outcome(fake_posterior())
    with pytest.raises(BadInput, match=r"expected a tuple of chapters, got Doubling; write chapters=\(\*CHAPTERS, x\)"):
        report(tree, chapters=Doubling())
    with pytest.raises(BadInput, match="inherit Chapter and have a name, got Nameless without name"):
        report(tree, chapters=(Nameless(),))
    with pytest.raises(BadInput, match="have a name, got str without name, needs"):
        report(tree, chapters=("effects",))
