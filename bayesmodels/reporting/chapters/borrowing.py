"""What was borrowed from external persons: our rate beside theirs, the drift, and how many persons they count as.

Of a model whose drift is of the rate's logarithm (it publishes `external_log_rate`), rates and drift are shown in the
outcome's unit, and their ratio; what the data say of the drift, and the share used, are of the logarithm.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from bayesmodels.posterior.context import stratum_label, unit_of
from bayesmodels.posterior.intervals import beside_prior, flat, long_table, summarise
from bayesmodels.posterior.monte_carlo import ERROR, error_in_brackets, shown_with_errors, with_errors
from bayesmodels.posterior.wording import chance, estimate, fixed
from bayesmodels.reporting.chapter import Chapter, LeadLines, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, new_panel, no_difference
from bayesmodels.reporting.first_screen import LEARNED, how_learned
from bayesmodels.reporting.page import Section
from bayesmodels.statistics.borrowing import share_used

NOT_RANDOMISED = (
    "External persons were not randomised with ours: whoever they are, the trial that they were in and its time may "
    "make their rate another. Comparisons with them are not as randomised, and every difference between start groups "
    "on this page leans on them as far as our untreated rate does."
)

SHARED_COURSE = (
    "Only the rate is borrowed under this discount. The shape of the untreated course, SDs and correlations between "
    "persons, errors of visits and covariates' slopes are taken as common to the trials, and the external persons "
    "inform them in full."
)

SHARED_LINE = (
    "Only the rate is borrowed under this discount. The SD of levels and covariates' slopes are taken as common to the "
    "trials, and the external persons inform them in full; SDs of declines and errors of visits are each trial's own. "
    "External deaths inform nothing: the untreated hazard is of our persons alone."
)
"""Of a model whose drift is of the rate's logarithm."""

BINS = 40
"""Of the densities in the figures."""


class Borrowing(Chapter):
    """Our untreated rate, external rates, the drift between them, and what was borrowed."""

    name = "borrowing"
    needs = Needs(("trial_drift",))
    shows = "borrowing"

    def tables(self, reading: Reading) -> Tables:
        """`borrowing`."""
        return {"borrowing": borrowing_table(reading)}

    def figures(self, reading: Reading) -> Makers:
        """Rates, and the drift's posterior beside its prior, of every outcome, stratum and external trial."""
        makers: dict[str, Any] = {}
        for number, row in enumerate(reading.tables["borrowing"].to_dict("records")):
            makers[f"borrowing_rates_{number}"] = partial(_rates_figure, reading, row)
            makers[f"borrowing_drift_{number}"] = partial(_drift_figure, reading, row)
        return makers

    def section(self, reading: Reading) -> Section:
        """Rates, drift and effective sample size."""
        table, label = reading.tables["borrowing"], reading.label
        of = table.to_dict("records")
        rates = shown_with_errors([_shown(reading, row) for row in of], table[ERROR], "Drift")
        scale, precision = ("log rate", "relative precision") if _proportional(reading) else ("rate", "precision")
        counted = (
            f"Share used: the slope of the external {scale} on ours over the draws. 1 would be pooling, 0 nothing "
            "borrowed; below 0 the external persons have made our rate less certain. Counts as: that share of the "
            f"external persons with two visits or more, the gain in {precision} of our untreated rate in units of what "
            "one of them gives."
        )
        shared = SHARED_LINE if _proportional(reading) else SHARED_COURSE
        return Section(
            "Borrowing from external persons",
            (NOT_RANDOMISED, _prior_said(reading), counted, shared),
            {
                f"Untreated rate{_when(reading)}, ours and external: median and {label}": pd.DataFrame(rates),
                "What was borrowed": pd.DataFrame([_borrowed(reading, row) for row in of]),
            },
            (
                *reading.pictures("borrowing_rates", "Posterior of our untreated rate and of the external one"),
                *reading.pictures("borrowing_drift", "Posterior of the drift beside its prior"),
            ),
            f"{_compared(reading)} External persons are in no other table or figure of persons, means or contrasts on "
            "this page.",
        )  # fmt: skip

    def lead(self, reading: Reading) -> LeadLines:
        """Whether external persons decline as ours do, and how many persons they count as."""
        known: list[str] = []
        unknown: list[str] = []
        for row in reading.tables["borrowing"].to_dict("records"):
            text = (
                f"Untreated {_whose(reading, row)} of {row['external_trial']} ({row['external_persons']:,.0f} "
                f"external persons, not randomised) minus ours: {estimate(row['median'], row['lower'], row['upper'])} "
                f"{row['unit']}; {_counts_as(row)}."
            )
            text += error_in_brackets(row[ERROR])
            learned = row["width_ratio"] < LEARNED and (row["lower"] > 0 or row["upper"] < 0)
            (known if learned else unknown).append(text if learned else f"{text} {_why(row)}")
        return LeadLines(known, unknown)

    def summary(self, reading: Reading) -> dict[str, Any]:
        """Rows of the table."""
        names = (
            "outcome", "stratum", "external_trial", "external_persons", "median", "lower", "upper", "unit",
            "our_median", "our_lower", "our_upper", "external_median", "external_lower", "external_upper",
            "narrow_probability", "share_used", "counts_as",
        )  # fmt: skip
        table = reading.tables["borrowing"]
        ratios = [name for name in ("ratio_median", "ratio_lower", "ratio_upper") if name in table]
        return {"rates": table[[*names, *ratios]].to_dict("records"), "said": NOT_RANDOMISED}


def borrowing_table(reading: Reading) -> pd.DataFrame:
    """What was borrowed, a row for every outcome, stratum and external trial.

    Returns
    -------
    DataFrame
        outcome, stratum, external_trial; of the drift mean, sd, median, lower, upper, the same of its prior
        (`PRIOR_COLUMNS`), unit; external_persons (with two visits or more), our_median ... external_upper (rates),
        narrow_probability (NaN but for a robust mixture), share_used, counts_as (persons), monte_carlo_error. Where the
        drift is of the rate's logarithm `width_ratio` is of it, and ratio_median, ratio_lower, ratio_upper are of the
        external rate over ours.
    """
    drift, prior = reading.posterior("trial_drift"), reading.prior("trial_drift")
    table = beside_prior(drift, prior, reading.prob)
    external = reading.context.data.get("counts", {}).get("external", {})
    ours = reading.posterior(_our_rate(reading))
    log_rates = reading.posterior("external_log_rate") if _proportional(reading) else None
    if log_rates is not None:
        of_log = beside_prior(log_rates, reading.prior("external_log_rate"), reading.prob).set_index("external_trial")
        table["width_ratio"] = of_log["width_ratio"].reindex(table["external_trial"]).to_numpy()
    rows = []
    for row in table.to_dict("records"):
        cell = {"outcome": row["outcome"], "stratum": row["stratum"]}
        rate = flat(ours.sel(cell))
        theirs = rate + flat(drift.sel({**cell, "external_trial": row["external_trial"]}))
        n = external.get(row["external_trial"], {}).get("informative", {}).get(row["outcome"], {})
        persons = float(n.get(row["stratum"], np.nan))
        log_rate = None if log_rates is None else flat(log_rates.sel(external_trial=row["external_trial"]))
        used = share_used(rate, theirs) if log_rate is None else _share_of_logs(rate, log_rate)
        found: dict[str, Any] = {"external_persons": persons, "share_used": used, "counts_as": used * persons}
        shown = {"our": rate, "external": theirs} | ({} if log_rate is None else {"ratio": np.exp(log_rate)})
        for name, draws in shown.items():
            numbers = summarise(draws, reading.prob)
            found |= {f"{name}_{edge}": float(numbers[edge]) for edge in ("median", "lower", "upper")}
        found["unit"] = unit_of("trial_drift", {"outcome": row["outcome"]}, reading.context.outcomes)
        found["narrow_probability"] = np.nan
        rows.append(row | found)
    whole = pd.DataFrame(rows)
    if reading.publishes("narrow_drift_probability"):
        narrow = long_table(reading.posterior("narrow_drift_probability"), reading.prob)
        labels = ["outcome", "stratum", "external_trial"]
        whole["narrow_probability"] = whole[labels].merge(narrow, on=labels, how="left")["mean"].to_numpy()
    return with_errors(whole, {"trial_drift": drift}, reading.context, "trial_drift")


def _proportional(reading: Reading) -> bool:
    """Whether the drift is of the rate's logarithm."""
    return reading.publishes("external_log_rate")


def _share_of_logs(rate: np.ndarray, log_rate: np.ndarray) -> float:
    """Share used of log rates, over the draws in which our rate has the sign of its mean."""
    signed = rate * np.sign(rate.mean())
    usable = signed > 0
    ours = np.log(signed[usable])
    return share_used(ours, ours + log_rate[usable])


def _our_rate(reading: Reading) -> str:
    """The published rate that external ones are compared with."""
    return "reference_rate" if _proportional(reading) else "population_rate"


def _when(reading: Reading) -> str:
    """The time of the rates, after a space; blank where courses are straight."""
    return "" if _proportional(reading) else " at week 0"


def _compared(reading: Reading) -> str:
    """Which rates are compared, and how."""
    if _proportional(reading):
        return (
            "Rates off drug at the mean of our covariates, ours in the first calendar block and an average regimen. "
            "Drift: external minus ours; ratio: external over ours."
        )
    return "Rates at week 0, off drug, modelling scale. Drift: external minus ours."


def _whom(reading: Reading, row: dict[str, Any]) -> dict[str, str]:
    label = reading.context.outcomes[row["outcome"]].label
    return {"Rate of": label, "Persons": stratum_label(row["stratum"]), "External trial": row["external_trial"]}


def _shown(reading: Reading, row: dict[str, Any]) -> dict[str, str]:
    return {
        **_whom(reading, row),
        "Ours": estimate(row["our_median"], row["our_lower"], row["our_upper"]),
        "External": estimate(row["external_median"], row["external_lower"], row["external_upper"]),
        "Drift": estimate(row["median"], row["lower"], row["upper"]),
        "Drift, prior": estimate(row["prior_median"], row["prior_lower"], row["prior_upper"]),
        "Unit": row["unit"],
        **(
            {"Ratio": estimate(row["ratio_median"], row["ratio_lower"], row["ratio_upper"])}
            if _proportional(reading)
            else {}
        ),
    }


def _borrowed(reading: Reading, row: dict[str, Any]) -> dict[str, str]:
    found = {
        **_whom(reading, row),
        "External persons": f"{row['external_persons']:,.0f}",
        "Share used": fixed(row["share_used"], 2),
        "Counts as": f"{fixed(row['counts_as'], 0)} persons",
    }
    if not np.isnan(row["narrow_probability"]):
        found["Narrow component"] = chance(row["narrow_probability"])
    return found


def _prior_said(reading: Reading) -> str:
    """How the drift was taken before the data."""
    said = reading.context.model.get("borrowing") or {}
    if said.get("type") == "robust_mixture":
        return (
            f"Robust mixture: the drift is Normal with an SD of {_size(reading, said['narrow'])} with probability "
            f"{said['weight']:g}, else with an SD of {_size(reading, said['wide'])}. Where the data speak for the "
            "second, little is borrowed."
        )
    if said.get("type") == "commensurate":
        return _commensurate_said(reading, said["tau"])
    return "The prior of the drift is stated with the model."


def _size(reading: Reading, multiple: float) -> str:
    """An SD of the drift, from a multiple of its unit."""
    if not _proportional(reading):
        return f"{multiple:g} SDs of the prior of the rate"
    unit = reading.context.model.get("priors", {}).get("external_log_rate_unit")
    return f"{multiple:g} units of the log rate" if unit is None else f"{multiple * unit:g} of log rate"


def _commensurate_said(reading: Reading, tau: Any) -> str:
    """A commensurate prior whose SD is known, or learned from so many drifts of each outcome."""
    drift = "Commensurate prior: the drift is Normal with"
    if not isinstance(tau, dict):
        return f"{drift} a known SD, {_size(reading, tau)}."
    drifts = reading.tables["borrowing"].groupby("outcome", sort=False).size()
    numbers = [
        f"{n} {'drift' if n == 1 else 'drifts'} of {reading.context.outcomes[name].label}" for name, n in drifts.items()
    ]
    return (
        f"{drift} an SD that is learned for each outcome (half-normal, {_size(reading, tau['sd'])}) "
        f"from the drifts of its strata and external trials: {', '.join(numbers)}. The fewer there are, the more its "
        "prior says of what is borrowed."
    )


def _whose(reading: Reading, row: dict[str, Any]) -> str:
    label = reading.context.outcomes[row["outcome"]].label
    return f"rate of {label}" if row["stratum"] == "all" else f"rate of {label} ({row['stratum']})"


def _counts_as(row: dict[str, Any]) -> str:
    """What the external persons count as."""
    if row["share_used"] <= 0:
        return "they add nothing to what is known of our rate"
    return f"they count as {fixed(row['counts_as'], 0)} persons ({fixed(100 * row['share_used'], 0)} % used)"


def _why(row: dict[str, Any]) -> str:
    """Why a drift is an open question."""
    if row["width_ratio"] < LEARNED:
        return "The interval of the drift contains 0."
    return f"The drift is {how_learned(row['width_ratio'])} beside its prior."


def _draws(reading: Reading, row: dict[str, Any], name: str, group: str = "posterior") -> np.ndarray:
    array: xr.DataArray | None = reading.posterior(name) if group == "posterior" else reading.prior(name)
    assert array is not None
    labels = {dim: row[dim] for dim in ("outcome", "stratum", "external_trial") if dim in array.dims}
    return flat(array.sel(labels))


def _heading(reading: Reading, row: dict[str, Any]) -> str:
    label = reading.context.outcomes[row["outcome"]].label
    return label if row["stratum"] == "all" else f"{label}, {row['stratum']}"


def _densities(values: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Edges and heights of each set of draws, over the range that holds nearly all of the first."""
    first = next(iter(values.values()))
    low, high = np.quantile(np.concatenate([first, *list(values.values())[1:2]]), [0.002, 0.998])
    edges = np.linspace(low, high, BINS + 1)
    for name, draws in values.items():
        heights, _ = np.histogram(draws, edges)
        yield name, edges, heights / (len(draws) * np.diff(edges))


def _panel(reading: Reading, row: dict[str, Any], values: dict[str, np.ndarray], colours: list[str]) -> Any:
    figure, axes = new_panel(3.2)
    for (name, edges, heights), colour in zip(_densities(values), colours, strict=True):
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.25)
        axes.stairs(heights, edges, color=colour, linewidth=1.5, label=name)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(row["unit"])
    return figure, axes


def _rates_figure(reading: Reading, row: dict[str, Any]) -> Figure:
    ours = _draws(reading, row, _our_rate(reading))
    external = ours + _draws(reading, row, "trial_drift")
    figure, axes = _panel(reading, row, {"ours": ours, row["external_trial"]: external}, [COLOURS[0], COLOURS[1]])
    add_title(axes, f"Rate, {_heading(reading, row)}")
    return figure


def _drift_figure(reading: Reading, row: dict[str, Any]) -> Figure:
    values = {"posterior": _draws(reading, row, "trial_drift")}
    if reading.prior("trial_drift") is not None:
        values["prior"] = _draws(reading, row, "trial_drift", "prior")
    figure, axes = _panel(reading, row, values, [COLOURS[2], COLOURS[5]][: len(values)])
    no_difference(axes, vertical=True)
    add_title(axes, f"Drift, {row['external_trial']}")
    return figure
