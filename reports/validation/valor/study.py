"""Acceptance study: every line of what a correct fit of VALOR's published means finds, measured.

python -m validation.valor --out reports/validation/valor
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.demo.fits import fitted
from bayesmodels.demo.valor import (
    BOTH,
    MAIN,
    VARIANTS,
    MeansFit,
    ValorResults,
    fitted_means,
    function_model,
    later_means,
    other_fall_priors,
    predict,
    to_week_148,
    valor_jobs,
    valor_results,
)
from bayesmodels.fitting import NutsSettings, sample
from bayesmodels.models.published_means.courses import courses_of
from bayesmodels.models.published_means.model import PublishedMeansModel
from bayesmodels.models.published_means.outcome import MeansOutcome
from bayesmodels.models.published_means.valor import valor_alsfrs_r, valor_means_model, valor_nfl
from bayesmodels.parts.priors import LogNormal
from bayesmodels.study import MeansTable
from bayesmodels.study.evidence import means_table
from bayesmodels.trials.results import Results, read_results, rendered
from validation.valor.likelihood import coverage_if_independent, maximum_likelihood

SEED = 1
SETTINGS = NutsSettings(seed=SEED, progress=False)
COMMAND = "python -m validation.valor --out reports/validation/valor"
TO_28 = {"valor_2021": (2, 28)}
TO_76 = {"valor_2021": (2, 28), "ole_2021": (40, 76)}

STATED = {
    "weeks 2 to 28": {"lag": 1.30, "time constant": 1.27, "fall, faster": 0.98, "fall, slower": 0.71},
    "weeks 2 to 76": {"lag": 1.36, "time constant": 1.08, "fall, faster": 0.94, "fall, slower": 0.62},
}
"""Posterior medians of the fits from which the preset was made: another program, not kept with the package."""


def nfl_rows(outcome: MeansOutcome, series: Mapping[str, tuple[float, float]]) -> xr.Dataset:
    """Posterior of NfL alone: lag, time constant and fall by stratum."""
    draws = _fit((outcome,), means_table(series, outcomes=["nfl_plasma"])).posterior["posterior"]
    fall = -draws["nfl_plasma_effect"]
    found = {"lag": draws["nfl_plasma_lag"], "time constant": draws["nfl_plasma_time_constant"]}
    found |= {f"fall, {f}": fall.sel(own_stratum=f, drop=True) for f in ("faster", "slower")}
    if "nfl_plasma_extension_shift" in draws:
        found["extension shift"] = draws["nfl_plasma_extension_shift"]
    return xr.Dataset(found)


def nfl_table() -> pd.DataFrame:
    """NfL response by data and prior, and the offset from the stated medians in posterior SD."""
    nfl = valor_nfl()
    cases = [
        ("as stated", nfl, "weeks 2 to 28", TO_28),
        ("as stated", nfl, "weeks 2 to 76", TO_76),
        *((label, outcome, "weeks 2 to 28", TO_28) for label, outcome in other_fall_priors().items()),
        ("extension shift, Normal(0, 0.2)", valor_nfl(extension_shift_sd=0.2), "weeks 2 to 76", TO_76),
    ]
    rows = []
    for prior, outcome, weeks, series in cases:
        for quantity, draws in nfl_rows(outcome, series).data_vars.items():
            row = {"data": weeks, "prior": prior, "quantity": quantity} | _numbers(draws.to_numpy())
            stated = STATED[weeks].get(str(quantity), np.nan) if prior == "as stated" else np.nan
            rows.append(row | {"stated": stated, "off_in_sd": abs(row["median"] - stated) / row["sd"]})
    return pd.DataFrame(rows)


def start_table() -> pd.DataFrame:
    """Largest log-likelihood of NfL to week 76 by the delayed group's start, minus that at week 30."""
    data = means_table(TO_76, outcomes=["nfl_plasma"])
    model = PublishedMeansModel(outcomes=(valor_nfl(),))
    weeks = (26.0, 28.0, 30.0, 31.0, 32.0, 34.0)
    starts = (dataclasses.replace(data, drug_start_week={"early": 0.0, "delayed": week}) for week in weeks)
    highest = np.array([maximum_likelihood(model, table).log_likelihood for table in starts])
    return pd.DataFrame({"delayed_start_week": weeks, "log_likelihood": highest - highest[weeks.index(30.0)]})


def function_table() -> pd.DataFrame:
    """Effect on function under every form, to week 28 and to week 76, and later means inside."""
    long_lag, short_lag = LogNormal(median=6.0, sigma=0.05), LogNormal(median=1.0, sigma=0.05)
    forms: dict[str, tuple[MeansOutcome, ...]] = {
        "proportional slowing, decelerating": (valor_alsfrs_r(),),
        "proportional slowing, linear": (valor_alsfrs_r(course="linear"),),
        "proportional slowing, decelerating, lag 1 month": (valor_alsfrs_r(lag=short_lag),),
        "proportional slowing, decelerating, lag 6 months": (valor_alsfrs_r(lag=long_lag),),
        "absolute change, decelerating": (valor_alsfrs_r("absolute_change"),),
        "rate x (NfL ratio)^theta, decelerating": valor_means_model("ratio_power").outcomes,
        "gain x NfL drop, decelerating": valor_means_model("drop_gain").outcomes,
    }
    rows = []
    for label, outcomes in forms.items():
        names = tuple(outcome.name for outcome in outcomes)
        for weeks, series in (("weeks 2 to 28", TO_28), ("weeks 2 to 76", TO_76)):
            fitted = _fit(outcomes, means_table(series, outcomes=names))
            effect = next(p for p in courses_of(outcomes).parameters["alsfrs_r"] if p.published == "drug_effect")
            draws = fitted.posterior["posterior"][effect.name]
            inside = np.nan
            if series is TO_28:
                table = predict(fitted, later_means(), SEED).table()
                inside = int(table.loc[table["outcome"] == "alsfrs_r", "inside"].sum())
            for label_, own in _by_stratum(draws):
                row = {"form": label, "data": weeks, "quantity": effect.name + label_}
                rows.append(row | _numbers(own) | {"alsfrs_r_inside_of_10": inside})
    return pd.DataFrame(rows)


def drift_table() -> pd.DataFrame:
    """NfL at week 148 when the untreated drift continues under the drug, beside the default, predicted from week 28."""
    rows = []
    for drift in ("stops", "continues"):
        fitted = _fit((valor_nfl(drift_on_drug=drift),), means_table(TO_76, outcomes=["nfl_plasma"]))
        table = predict(fitted, means_table("final_2025", outcomes=["nfl_plasma"]), SEED).table()
        rows += table.assign(drift_on_drug=drift).to_dict("records")
    columns = ["drift_on_drug", "start_group", "published", "median", "lower", "upper", "inside"]
    return pd.DataFrame(rows)[columns]


def week_148_likelihood() -> pd.DataFrame:
    """Largest log-likelihood of ALSFRS-R to week 76 and at week 148, by model of function."""
    data = to_week_148()
    rows = []
    for variant in VARIANTS:
        found = maximum_likelihood(function_model(variant), data)
        parameters = {name: value.round(3).tolist() for name, value in found.parameters.items()}
        rows.append({"model": variant, "log_likelihood": found.log_likelihood, "at": json.dumps(parameters)})
    return pd.DataFrame(rows)


def independence_table() -> pd.DataFrame:
    """Real coverage of 95 % intervals of population means if visits are taken as independent, data to week 28."""
    nfl = {
        "nfl_plasma_rate": np.array([[0.017, 0.004]]),
        "nfl_plasma_effect": np.array([[-0.96, -0.70]]),
        "nfl_plasma_lag": np.array([[1.3]]),
        "nfl_plasma_time_constant": np.array([[1.2]]),
    }
    function = {"alsfrs_r_rate": np.array([[-1.07, -0.23]])}
    parts = [
        coverage_if_independent(outcome, fitted_means((outcome.name,)), values).assign(outcome=outcome.name)
        for outcome, values in ((valor_alsfrs_r("none", "linear"), function), (valor_nfl(), nfl))
    ]
    return pd.concat(parts, ignore_index=True)


def results() -> Results:
    """Every part of the study."""
    found: ValorResults = valor_results(fitted(valor_jobs(), SETTINGS, print), SETTINGS.seed or 0)
    tables = {
        "nfl_response": nfl_table(),
        "drug_start": start_table(),
        "later_by_stratum": found.strata,
        "inside_by_start": found.starts,
        "weeks_52_and_148": found.whole,
        "difference_week_52": found.difference,
        "trap_week_148": found.trap,
        "log_likelihood_week_148": week_148_likelihood(),
        "function_forms": function_table(),
        "drift_on_drug": drift_table(),
        "independent_visits": independence_table(),
    }
    manifest = {
        "command": COMMAND,
        "settings": SETTINGS.model_dump(exclude={"cores", "progress"}),
        "data_digest": fitted_means(BOTH).digest,
        "not_converged": list(found.not_converged),
        "tables": [f"{name}.csv" for name in tables],
    }
    return Results(tables, manifest)


def page(folder: Path) -> str:
    """Return the page of a folder of the study's tables: each stated line beside what was measured."""
    files = read_results(folder)
    whole, nfl = files["weeks_52_and_148"], files["nfl_response"]
    function = whole[(whole["outcome"] == "alsfrs_r") & (whole["week"] == 148)].set_index(["model", "start_group"])
    forms = files["function_forms"].set_index(["data", "quantity", "form"]).sort_index()
    slowing = forms.loc["weeks 2 to 76", "alsfrs_r_slowing"]
    over = (function["published"] - function["median"]).loc["slowing, linear"]
    found = {
        "command": COMMAND,
        "main": MAIN,
        "no_effect": "no effect, decelerating",
        "starts": files["inside_by_start"].set_index(["delayed_start_week", "model"]),
        "start": files["drug_start"].set_index("delayed_start_week")["log_likelihood"],
        "over": (over.min(), over.max()),
        "week_148": function,
        "late_nfl": whole[whole["outcome"] == "nfl_plasma"],
        "gaps": files["difference_week_52"],
        "week_52": whole[whole["week"] == 52].groupby("model", sort=False),
        "trap": files["trap_week_148"].set_index("model"),
        "likelihood": files["log_likelihood_week_148"].set_index("model")["log_likelihood"],
        "slowing": {kind: slowing.loc[f"proportional slowing, {kind}"] for kind in ("decelerating", "linear")},
        "shift": nfl.set_index("quantity").loc["extension shift"],
        "drift": files["drift_on_drug"].set_index(["drift_on_drug", "start_group"])["median"],
        "coverage": files["independent_visits"].groupby("outcome")["coverage"].mean(),
    }
    return rendered(Path(__file__).with_name("page.md.j2"), files | found)


def _fit(outcomes: tuple[MeansOutcome, ...], data: MeansTable) -> MeansFit:
    model = PublishedMeansModel(outcomes=outcomes)
    return MeansFit("", model, data, sample(model.build(data), SETTINGS))


def _by_stratum(draws: xr.DataArray) -> list[tuple[str, np.ndarray]]:
    if "own_stratum" not in draws.dims:
        return [("", draws.to_numpy())]
    labels = draws["own_stratum"].to_numpy()
    return [(f"[{label}]", draws.sel(own_stratum=label).to_numpy()) for label in labels]


def _numbers(draws: np.ndarray) -> dict[str, float]:
    lower, median, upper = np.quantile(draws, [0.025, 0.5, 0.975])
    return {"median": median, "lower": lower, "upper": upper, "sd": float(draws.std())}
