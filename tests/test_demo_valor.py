"""The VALOR part of the demo: tables and page from stand-in draws quickly, what the fits say in a slow test."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

from bayesmodels.demo.fits import fitted
from bayesmodels.demo.valor import LINK, MAIN, VARIANTS, other_fall_priors, valor_jobs, valor_results
from bayesmodels.demo.valor_lead import nfl_response, percent, valor_lead
from bayesmodels.demo.valor_page import valor_sections
from bayesmodels.fitting import NutsSettings
from bayesmodels.fitting.sampling import deterministics
from bayesmodels.models.published_means.presets import valor_nfl
from bayesmodels.reporting import compose


def prior_instead_of_posterior(pm_model: pm.Model) -> xr.DataTree:
    """200 prior draws in the shape of a fit: quick, and plainly not VALOR's posterior."""
    draws = pm.draw(pm_model.free_RVs, draws=200, random_seed=3, mode="FAST_COMPILE")
    free = xr.Dataset(
        {
            rv.name: (
                ("chain", "draw", *pm_model.named_vars_to_dims.get(rv.name, ())),
                value.reshape(2, 100, *value.shape[1:]),
            )
            for rv, value in zip(pm_model.free_RVs, draws, strict=True)
        },
        coords={"chain": [0, 1], "draw": np.arange(100)},
    )
    published = free.merge(deterministics(pm_model, free))
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((2, 100), bool))})
    return xr.DataTree.from_dict({"posterior": published, "sample_stats": stats})


@pytest.fixture(scope="module")
def results():
    jobs = valor_jobs()
    assert len(jobs) == 11
    trees = {name: prior_instead_of_posterior(job.model.build(job.data)) for name, job in jobs.items()}
    for name in (MAIN, LINK):
        trees[name]["prior"] = xr.DataTree(trees[name]["posterior"].to_dataset())
        trees[name].attrs["model"] = jobs[name].model.model_dump_json()
    return valor_results(trees, 3)


def test_every_later_mean_is_predicted_by_every_model(results) -> None:
    function = results.strata[results.strata["outcome"] == "alsfrs_r"]
    assert len(function) == 10 * len(VARIANTS)
    assert (function["inside"] == function["published"].between(function["lower"], function["upper"])).all()
    assert set(results.whole["week"]) == {52, 148}
    assert results.difference["published"].tolist() == [3.5] * 4
    assert sorted(results.starts["delayed_start_week"].unique()) == [28, 30]
    assert (results.starts["inside"] == results.starts["alsfrs_r"] + results.starts["nfl_plasma"]).all()
    with_effect = results.trap.set_index("model")["slowing"].notna()
    assert with_effect.to_dict() == {label: label.startswith("slowing") for label in VARIANTS}


def test_page_leads_with_what_is_and_is_not_identified(results) -> None:
    lead = valor_lead(dataclasses.replace(results, not_converged=()))
    assert "NfL response" in lead.identified[0]
    assert "size of the functional effect" in lead.not_identified[0]
    page = compose("VALOR", lead, valor_sections(results))
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Not a pure held-out test" in words
    assert "early against delayed start, not drug against placebo" in words
    assert "The trap at week 148" in words
    assert "http" not in page.replace("http://www.w3.org", "")
    for label in VARIANTS:
        assert label in words
    for published in ("−10.60", "−13.50", "−9.90", "3.50"):
        assert published in words


def test_short_chains_are_named(results) -> None:
    assert len(results.not_converged) + len(results.short) == 11  # 200 draws are too few by the thresholds
    assert MAIN in results.not_converged[0]
    assert all("Short chains: " in line and "draws per chain would do" in line for line in results.short)


def test_a_fit_that_did_not_converge_leaves_nothing_identified(results) -> None:
    lead = valor_lead(results)
    assert (lead.identified, lead.not_identified) == ((), ())
    assert lead.why == results.not_converged
    assert "Longer chains" in lead.to_try[0]


def test_tables_survive_csv_and_numbers_are_finite(results) -> None:
    table = nfl_response(results.fits[MAIN])
    assert table[["median", "lower", "upper"]].notna().all().all()
    json.dumps(results.difference.astype(object).to_dict("records"), default=float)
    assert not pd.isna(results.trap["log_likelihood"]).any()


def test_percent() -> None:
    assert percent([0.615, 0.55, 0.68]) == "62 % (55 to 68)"
    assert percent([-0.02, -0.5, 0.4]) == "−2 % (−50 to 40)"


@pytest.mark.slow
def test_what_valor_says() -> None:
    found = valor_results(fitted(valor_jobs(), NutsSettings(seed=1, progress=False), print), 1)
    assert not found.not_converged
    starts = found.starts.set_index(["delayed_start_week", "model"])
    assert (starts["alsfrs_r"] == 10).all()
    assert starts["nfl_plasma"].between(3, 7).all()
    week_148 = found.whole.query("outcome == 'alsfrs_r' and week == 148").set_index(["model", "start_group"])
    over = week_148["published"] - week_148["median"]
    assert over.loc["slowing, linear"].between(7, 12).all()
    assert week_148.loc[MAIN, "inside"].all()
    assert not week_148.loc["no effect, linear", "inside"].any()
    nfl = found.whole.query("outcome == 'nfl_plasma'")
    assert (nfl["published"] < nfl["median"]).all()
    trap = found.trap.set_index("model")
    assert trap.loc["slowing, linear", "slowing"] == pytest.approx(0.77, abs=0.04)
    assert trap.loc["slowing, linear", "lower"] > 0.5
    assert trap.loc[MAIN, "lower"] < 0 < trap.loc[MAIN, "upper"]
    assert trap["log_likelihood"].drop("no effect, linear").between(-34, -29).all()


def test_the_fall_is_shown_under_other_priors(results) -> None:
    """The SD doubled, and the mean at 0: read off the model's own prior table."""
    table = results.fall_priors
    assert list(table["prior"].unique()) == ["as stated", *other_fall_priors()]
    assert set(table["stratum"]) == {"faster", "slower"}
    stated = valor_nfl().effect.size
    doubled, centred = (nfl.effect.size for nfl in other_fall_priors().values())
    for stratum, prior in stated.items():
        assert (doubled[stratum].mean, doubled[stratum].sd) == (prior.mean, 2 * prior.sd)
        assert (centred[stratum].mean, centred[stratum].sd) == (0.0, prior.sd)
        assert prior.mean != 0
    heading = "The fall under other priors"
    tables = {caption: t for section in valor_sections(results) for caption, t in section.tables.items()}
    [shown] = [t for caption, t in tables.items() if caption.startswith(heading)]
    assert list(shown["Prior"]) == list(table["prior"].unique())
