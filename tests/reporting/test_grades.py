"""What a report says under each grade of convergence: the draws decide, not the record of the fit."""

import json
import math
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fake import fake_posterior, one_outcome, part_of, sampler_statistics
from fake_events import with_events

from bayesmodels.posterior.context import read_context
from bayesmodels.posterior.convergence_limits import ConvergenceLimits
from bayesmodels.reporting import ReportSettings, report
from bayesmodels.reporting.first_screen import to_try
from bayesmodels.reporting.page import compose
from bayesmodels.reporting.summary import checked_json

NOTHING = "Nothing is identified: the chains did not converge"


def spread_apart(dataset: xr.Dataset) -> xr.Dataset:
    """The same draws sorted, so that no two chains agree; the numbers of every table stay."""
    return dataset.map(
        lambda v: (
            v.copy(data=np.sort(v.to_numpy().reshape(-1, *v.shape[2:]), axis=0).reshape(v.shape))
            if v.dtype.kind == "f"
            else v
        )
    )


def joint(verdict: str) -> xr.DataTree:
    tree = with_events()
    return tree if verdict == "ok" else replaced_draws(tree)


def replaced_draws(tree: xr.DataTree) -> xr.DataTree:
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    groups["posterior"] = spread_apart(groups["posterior"])
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups})


def means(verdict: str) -> xr.DataTree:
    """Of published means: no persons, no covariance between them."""
    tree = fake_posterior(verdict=verdict)
    tree["posterior"] = tree["posterior"].to_dataset().drop_vars("person_correlation")
    del tree["observed_summary"], tree["predictive_summary"]
    return tree


def shared_rate(verdict: str) -> xr.DataTree:
    rng = np.random.default_rng(1)
    dims, size = ("chain", "draw", "start_group"), (4, 250)
    coords = {"start_group": ["drug", "placebo"], "drug_start_week": ("start_group", [0.0, np.inf])}
    own = np.stack([np.exp(rng.normal(np.log(0.6), 0.1, size)), np.full(size, np.nan)], axis=-1)
    prior = np.stack([rng.uniform(0.1, 3, size), np.full(size, np.nan)], axis=-1)
    own = np.sort(own.reshape(-1, 2), axis=0).reshape(own.shape) if verdict == "not_converged" else own
    groups = {
        name: xr.Dataset({"disease_rate_ratio": (dims, values)}, coords=coords)
        for name, values in (("posterior", own), ("prior", prior))
    }
    tree = xr.DataTree.from_dict(groups | {"sample_stats": sampler_statistics(0)})
    tree.attrs = {"model_type": "shared_rate", "free_variables": "[]"}
    return tree


KINDS = {
    "longitudinal": lambda verdict: part_of(fake_posterior(verdict=verdict), stratum=["all"]),
    "joint": joint,
    "means": means,
    "shared rate": shared_rate,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_did_not_converge_identifies_nothing(kind):
    fine, failed = (report(KINDS[kind](verdict)) for verdict in ("ok", "not_converged"))
    assert fine.lead.identified or fine.lead.not_identified
    assert fine.stamp is None
    assert not fine.lead.why
    assert not failed.lead.identified
    assert not failed.lead.not_identified
    assert any(line.startswith("R-hat above 1.05 in") for line in failed.lead.why)
    assert failed.lead.why[-1].startswith("Worst: ")
    assert any(line.startswith("Longer chains: [sampling] draws = 1000 (now 250)") for line in failed.lead.to_try)
    headings = [heading for heading, _, _ in failed.lead.lists]
    assert headings == [NOTHING, "What to try"]
    for text in (failed.sentence(), failed._repr_html_(), compose(failed.title, failed.lead, (), failed.stamp)):
        assert NOTHING in text
        assert "Identified by these data" not in text
        assert not re.search(r"\d \(−?[\d.]+ to −?[\d.]+\)", text)
    assert failed.summary["convergence"]["verdict"] == "not_converged"
    assert failed.summary["convergence"]["reasons"]
    checked_json(failed.summary)


def test_ratios_of_chains_that_did_not_converge_decide_nothing():
    fine, failed = (report(shared_rate(verdict)) for verdict in ("ok", "not_converged"))
    assert fine.tables["disease_rates"]["verdict"].tolist() == ["success"]
    assert failed.tables["disease_rates"]["verdict"].tolist() == [""]
    assert "none: the chains did not converge" in failed.html


def test_the_draws_decide_and_not_the_record():
    tree = fake_posterior(verdict="not_converged")
    tree["posterior"] = fake_posterior()["posterior"].to_dataset()
    tree["sample_stats"] = sampler_statistics(0)
    assert json.loads(tree.attrs["convergence"])["verdict"] == "not_converged"
    assert read_context(tree).grade == "ok"


@pytest.fixture(scope="module")
def short():
    return report(fake_posterior(verdict="short"))


def test_short_chains_are_told_on_top_and_are_no_alarm(short):
    assert short.stamp is None
    assert short.lead.identified
    text = short.sentence()
    assert text.startswith("Short chains: bulk ESS below 400 in")
    assert "About 500 draws per chain would do (there are 250)." in text
    page = compose(short.title, short.lead, short.sections[-2:], short.stamp)
    assert "Short chains:" in page.split("<main")[0]
    assert "Not converged." not in page
    assert short.summary["convergence"]["verdict"] == "short"
    checked_json(short.summary)


def test_numbers_of_short_chains_are_those_of_long_ones_and_the_affected_carry_an_error(short):
    fine = report(fake_posterior())
    for name in ("parameters", "effects", "deltas", "differences"):
        ours, long = short.tables[name], fine.tables[name]
        np.testing.assert_allclose(ours["median"], long["median"], atol=1e-9)
        assert long["monte_carlo_error"].isna().all()
        assert ours["monte_carlo_error"].notna().any()
        assert ours["monte_carlo_error"].isna().any()
    effects = short.tables["effects"].query("name == 'drug_effect'").set_index(["outcome", "stratum"])
    assert effects.loc["nfl_plasma", "monte_carlo_error"].isna().all()
    # The median of n effective normal draws of SD .05 has a standard error of .05 sqrt(pi / (2 n)).
    parameters = short.tables["parameters"].query("name == 'drug_effect' and outcome == 'alsfrs_r'")
    ess = parameters["ess_bulk"].iloc[0]
    expected = 0.05 * math.sqrt(math.pi / (2 * ess))
    assert effects.loc[("alsfrs_r", "faster"), "monte_carlo_error"] == pytest.approx(expected, rel=0.35)
    told = [line for line in short.lead.identified if line.startswith("ALSFRS-R") and "effect of the drug" in line]
    assert told
    assert all(re.search(r" \(Monte-Carlo error 0\.00\d+\)$", line) for line in told)
    assert not any("Monte-Carlo" in line for line in short.lead.identified if line.startswith("Plasma NfL"))


def test_the_tables_that_the_first_screen_names_show_errors_and_no_others(short):
    """Of the tables named, this posterior has all but the disease rate ratios."""
    named = {"effects", "differences", "deltas", "ratio_to_baseline", "period_rates", "parameters"}
    assert {name for name, table in short.tables.items() if "monte_carlo_error" in table} == named
    assert all(short.tables[name]["monte_carlo_error"].notna().any() for name in named - {"ratio_to_baseline"})
    assert (
        "the tables of effects, disease rate ratios, differences between start groups, ratios to baseline, average "
        "rates and parameters show its Monte-Carlo error; curves, probabilities and other tables show none."
    ) in short.sentence()
    sections = {
        section.title: "Monte-Carlo error" in table
        for section in short.sections
        for table in section.tables.values()
        if section.title != "Convergence and how it was run"
    }
    assert {title for title, shown in sections.items() if shown} == {
        "Effects of the drug, prior beside posterior", "Start groups compared", "Average rates by period",
        "All population parameters",
    }  # fmt: skip
    disease = report(shared_rate("ok"), settings=ReportSettings(convergence=ConvergenceLimits(ess=5000)))
    assert disease.tables["disease_rates"]["monte_carlo_error"].notna().any()


def test_affected_rows_of_the_page_are_marked(short):
    section = next(s for s in short.sections if s.title.startswith("Effects of the drug"))
    table = next(iter(section.tables.values()))
    errors = table["Monte-Carlo error"]
    assert list(table.columns).index("Monte-Carlo error") == 1 + list(table.columns).index(
        "Posterior median (95 % ETI)"
    )
    assert (table["Outcome"].str.endswith("\N{NO-BREAK SPACE}*") == (errors != "")).all()
    assert 0 < (errors != "").sum() < len(table)
    fine = next(s for s in report(one_outcome(fake_posterior())).sections if s.title.startswith("Effects of the drug"))
    assert "Monte-Carlo error" not in next(iter(fine.tables.values()))


def test_looser_limits_are_printed_and_stricter_ones_are_not():
    tree = one_outcome(fake_posterior(verdict="short"))
    loose = report(tree, settings=ReportSettings(convergence=ConvergenceLimits(ess=150)))
    assert loose.summary["convergence"]["verdict"] == "ok"
    words = (
        "Convergence was judged by looser limits than the package's ([report.convergence]): ess = 150 instead of 400."
    )
    assert words in unescape(compose(loose.title, loose.lead, ()))
    assert words in loose.sentence()
    strict = report(one_outcome(fake_posterior()), settings=ReportSettings(convergence=ConvergenceLimits(ess=5000)))
    assert strict.summary["convergence"]["verdict"] == "short"
    assert "looser" not in strict.sentence()


def test_six_persons_whose_score_never_changes():
    """Constant scores: an SD near zero, chains that disagree, an effect far from zero. Nothing is identified."""
    tree = one_outcome(fake_posterior(verdict="not_converged"))
    observed = tree["observed_summary"].to_dataset()
    observed["mean"], observed["se"] = observed["mean"] * 0 + 40.0, observed["se"] * 0
    tree["observed_summary"] = observed
    made = report(tree)
    assert not made.lead.identified
    assert made.lead.to_try[0].startswith("ALSFRS-R does not vary: every value is 40.")
    assert "target_accept = 0.95 (now 0.9)" in " ".join(made.lead.to_try)


@pytest.mark.slow
def test_six_persons_whose_score_never_changes_fitted():
    from bayesmodels import LongitudinalModel, NutsSettings, Study, alsfrs_r, fit

    persons = pd.DataFrame({"person": [f"p{k}" for k in range(6)], "start_group": ["early", "delayed"] * 3})
    persons["drug_start_week"] = persons["start_group"].map({"early": 0, "delayed": 28})
    visits = pd.DataFrame(
        [
            {"person": person, "week": week, "outcome": "alsfrs_r", "value": 40}
            for person in persons["person"]
            for week in (0, 8, 16, 28, 40, 52)
        ]
    )
    study = Study.from_frames(persons, visits, name="constant", reference_group="delayed")
    posterior = fit(
        LongitudinalModel(outcomes=(alsfrs_r(),)), study, NutsSettings(draws=250, tune=250, seed=1, progress=False)
    )
    made = report(posterior)
    assert made.convergence["verdict"] == "not_converged"
    assert not made.lead.identified
    assert made.lead.to_try[0].startswith("ALSFRS-R does not vary: every value is 40.")


def test_remedies_follow_the_reasons():
    tree = fake_posterior(verdict="not_converged")
    tree.attrs["settings"] = json.dumps({"draws": 250, "tune": 300, "chains": 4, "target_accept": 0.99})
    said = " ".join(to_try(tree, read_context(tree)))
    assert "target_accept" not in said
    assert "draws = 1000 (now 250) and tune = 1000 (now 300)" in said
    alone = tree.isel(chain=[0])
    assert "[sampling] chains = 4" in to_try(alone, read_context(alone))[0]


def without(recorded: list[str], verdict: str = "ok") -> xr.DataTree:
    """A posterior without some of the sampler's statistics; without the group where all are left out."""
    tree = fake_posterior(verdict=verdict)
    statistics = tree["sample_stats"].to_dataset().drop_vars(recorded)
    if statistics.data_vars:
        tree["sample_stats"] = statistics
    else:
        del tree["sample_stats"]
    return tree


@pytest.mark.parametrize("absent", [["diverging"], ["diverging", "energy"]])
def test_a_posterior_without_divergences_is_not_called_converged(absent):
    context = read_context(without(absent))
    assert context.grade is None
    assert context.convergence["divergences"] is None
    assert context.stamp.startswith("Convergence was not recorded")
    assert read_context(without(absent, "short")).convergence["reasons"][0] == "divergences were not recorded"
    assert read_context(without(absent, "short")).grade is None
    assert read_context(without(absent, "not_converged")).grade == "not_converged"
    assert read_context(without(["energy"])).grade == "ok"
