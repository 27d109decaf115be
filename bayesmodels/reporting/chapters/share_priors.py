"""The share of the decline that the drug removes, and the differences it implies, under other priors of the share.

Without a refit: every draw is weighted by the density of the other prior over that of the fitted one. The fitted prior
is read from the posterior's description of its model; where that does not tell, there is no chapter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.posterior.context import FitContext, stratum_label
from bayesmodels.posterior.intervals import flat, probability, summarise
from bayesmodels.posterior.reweighting import Reweighted, k_limit, reweighted
from bayesmodels.posterior.wording import chance, estimate, fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, Needs, Reading, Tables
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Section, chance_or_why

NOT_KNOWN = "not known without a refit"

SAME_STRATA = 1e-12
"""Variance of strata about their common part where it would be 0, as in the model."""

_POINTS = {"delta_1": "before the switch", "delta_2": "at the last visit of both groups"}


@dataclass(frozen=True)
class SharePrior:
    """Prior of the share of the decline that the drug removes, by stratum and start group.

    Parameters
    ----------
    mean, sd : float
        Of the share in a stratum.
    correlation : float
        Of the shares of two strata.
    group_sd : float
        SD of a start group's share about its stratum's; used where pooling is partial.
    pooling : {"complete", "partial", "none"}
        Of the shares of start groups.
    words : str
        What kind of prior it is.
    """

    mean: float
    sd: float
    correlation: float
    group_sd: float
    pooling: str
    words: str = "as fitted"

    @property
    def label(self) -> str:
        """Prior of a stratum's share, and what kind of prior it is."""
        return f"Normal({self.mean:g}, {self.sd:g}): {self.words}"

    @property
    def line(self) -> str:
        """What the drug effect of a configuration holds to be fitted with it."""
        return f'share = {{type = "normal", mean = {self.mean:g}, sd = {self.sd:g}}}'

    def log_density(self, shares: np.ndarray) -> np.ndarray:
        """Log density of draws, up to what does not depend on mean and SD of the share.

        The strata's means over the G start groups that start the drug have covariance a I + b 11', b the variance of
        the part common to strata, a that of a stratum's own part (under pooling "none", of a group's, over G) and of
        1 / G of the variance between groups. Deviations of groups from these means are independent of them; only under
        pooling "none" does their variance depend on the SD.

        Parameters
        ----------
        shares : ndarray (..., stratum, start_group)
            Of the start groups that start the drug.

        Returns
        -------
        ndarray (...)
        """
        strata, groups = shares.shape[-2:]
        correlation = self.correlation if strata > 1 else 0.0
        common, own = self.sd**2 * correlation, self.sd**2 * (1.0 - correlation)
        a = own / groups if self.pooling == "none" else own
        a = max(a + (self.group_sd**2 / groups if self.pooling == "partial" else 0.0), SAME_STRATA)
        away = shares.mean(axis=-1) - self.mean
        middle = away.mean(axis=-1)
        about = ((away - middle[..., None]) ** 2).sum(axis=-1)
        of_middle = a + strata * common
        found = -0.5 * (about / a + strata * middle**2 / of_middle + (strata - 1) * math.log(a) + math.log(of_middle))
        if self.pooling == "none" and own > 0:
            between = ((shares - shares.mean(axis=-1, keepdims=True)) ** 2).sum(axis=(-2, -1))
            found = found - 0.5 * (between / own + strata * (groups - 1) * math.log(own))
        return found


def fitted_prior(context: FitContext, outcome: str, groups: int) -> SharePrior | None:
    """Prior of an outcome's share, from the posterior's description of its model; None where that does not tell.

    Parameters
    ----------
    context : FitContext
    outcome : str
    groups : int
        Start groups that start the drug: a single one has its stratum's share.
    """
    try:
        spec = next(k for k in context.model["outcomes"] if k["name"] == outcome)
        effect, pooling = spec["effect"], context.model["pooling"]
        share = effect["share"]
        mean, sd = float(share["mean"]), float(share["sd"])
        correlation, group_sd = float(effect["correlation"]), float(effect["group_sd"])
        told = effect["type"] == "proportional_slowing" and share["type"] == "normal"
    except (KeyError, TypeError, ValueError, StopIteration):
        return None
    if not told or pooling not in ("complete", "partial", "none"):
        return None
    return SharePrior(mean, sd, correlation, group_sd, pooling if groups > 1 else "complete")


def other_priors(fitted: SharePrior) -> tuple[SharePrior, ...]:
    """Priors shown beside the fitted one: Normal(.2, .5), twice the fitted SD, Normal(0, .25).

    Parameters
    ----------
    fitted : SharePrior
        Its correlation and SD between start groups are kept.
    """
    others = (
        replace(fitted, mean=0.2, sd=0.5, words="centred on benefit"),
        replace(fitted, sd=2 * fitted.sd, words="SD doubled"),
        replace(fitted, mean=0.0, sd=0.25, words="sceptical"),
    )
    found = {fitted.line: fitted}
    for other in others:
        found.setdefault(other.line, other)
    return tuple(found.values())[1:]


class SharePriors(Chapter):
    """The drug's share and the differences it implies under other priors of the share."""

    name = "shares under other priors"
    needs = Needs(("proportional_slowing",))
    shows = "share_priors"

    def tables(self, reading: Reading) -> Tables:
        """`share_priors`."""
        return {"share_priors": share_prior_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """The prior is told in words."""
        return {"share_priors": Layout(named_by="quantity", left_out=("prior_mean", "prior_sd"))}

    def section(self, reading: Reading) -> Section:
        """A table for each outcome and comparison."""
        context, sizes = reading.context, reading.tree["posterior"].sizes
        limit = k_limit(sizes["chain"] * sizes["draw"])
        paragraphs, tables = [_METHOD.format(limit=f"{limit:.2g}")], dict[str, pd.DataFrame]()
        for name, rows in reading.tables["share_priors"].groupby("outcome", sort=False):
            label = context.outcomes[str(name)].label
            paragraphs.append(f"{label}: {_said(*_shares_and_prior(reading, str(name)), context)}")
            contrasts = [contrast for contrast in rows["contrast"].unique() if contrast] or [""]
            for contrast in contrasts:
                unit = f"; {context.outcomes[str(name)].unit}" if contrast else ""
                compared = f", {contrast.replace(' - ', ' minus ')}" if contrast else ""
                own = rows[rows["contrast"].isin(["", contrast])]
                tables[f"{label}{compared}: median and {reading.label}{unit}"] = _page_table(own, reading)
        return Section("The drug's share under other priors", paragraphs, tables, (), reading.comparison)

    def summary(self, reading: Reading) -> Mapping[str, Any]:
        """`rows` of the table, and by outcome the `prior` as fitted and what complete pooling takes, in words."""
        table = reading.tables["share_priors"]
        said = {k: _said(*_shares_and_prior(reading, k), reading.context) for k in table["outcome"].unique()}
        return {"rows": table.to_dict("records"), "prior": said}


def share_prior_table(reading: Reading) -> pd.DataFrame:
    """Shares and differences under the fitted prior and others, one row each; empty where the prior is not known.

    Columns: `outcome`, `prior` (of a stratum's share, and what kind it is), `prior_mean`, `prior_sd`, `quantity`
    ("share" or "difference"), `stratum`, `contrast`, `point` (`delta_1`, `delta_2`), `week` (blank or NaN for shares),
    `unit`, `median`, `lower`, `upper`, `probability_favours` (the drug, or the earlier start; NaN where withheld),
    `direction`, `pareto_k` and `effective_draws` (NaN under the fitted prior), `withheld` (why, and the line of a
    configuration that refits it).
    """
    rows: list[dict[str, Any]] = []
    for outcome in reading.context.outcomes:
        shares, fitted = _shares_and_prior(reading, outcome)
        if shares is None or fitted is None:
            continue
        quantities = [*_share_quantities(shares, outcome), *_difference_quantities(reading, outcome)]
        rows += [_row(fitted, *quantity, None, reading.prob) for quantity in quantities]
        before = fitted.log_density(shares.to_numpy())
        for other in other_priors(fitted):
            weights = reweighted(other.log_density(shares.to_numpy()) - before)
            rows += [_row(other, *quantity, weights, reading.prob) for quantity in quantities]
    return pd.DataFrame(rows)


_METHOD = (
    "How far the answer depends on the prior of the share, without a refit: every draw of this fit is weighted by the "
    "density of the other prior over that of the fitted one (Pareto-smoothed importance sampling). All other priors "
    "are as fitted, among them the correlation of strata and the SD between start groups. Where Pareto k is above "
    "{limit} these draws do not reach far enough, and no number is given."
)

Quantity = tuple[dict[str, Any], np.ndarray, float]
"""Labels of a row, draws, and the sign that favours the drug or the earlier start (NaN: none)."""


def _shares_and_prior(reading: Reading, outcome: str) -> tuple[xr.DataArray | None, SharePrior | None]:
    """Draws of an outcome's shares where they are defined, (chain, draw, stratum, start_group), and their prior."""
    if not reading.publishes("group_drug_effect"):
        return None, None
    slowed = reading.posterior("proportional_slowing").sel(outcome=outcome, drop=True)
    shares = reading.posterior("group_drug_effect").sel(outcome=outcome, drop=True).where(slowed.notnull())
    shares = shares.dropna("start_group", how="all").dropna("stratum", how="all")
    if not shares.size:
        return None, None
    shares = shares.transpose("chain", "draw", "stratum", "start_group")
    return shares, fitted_prior(reading.context, outcome, shares.sizes["start_group"])


def _share_quantities(shares: xr.DataArray, outcome: str) -> Iterator[Quantity]:
    for stratum in shares["stratum"].values.tolist():
        labels = {
            "outcome": outcome, "quantity": "share", "stratum": stratum, "contrast": "", "point": "", "week": math.nan,
            "unit": "proportion", "direction": "+ favours the drug", "withheld": "",
        }  # fmt: skip
        yield labels, flat(shares.sel(stratum=stratum).mean("start_group")), 1.0


def _difference_quantities(reading: Reading, outcome: str) -> Iterator[Quantity]:
    """Differences at the weeks of Delta_1 and Delta_2, as the page's table of differences has them."""
    draws = reading.difference()
    if draws is None:
        return
    for labels, sign in reading.delta_cells(_POINTS, outcome):
        where = {dim: labels[dim] for dim in ("outcome", "contrast", "stratum", "week")}
        yield labels | {"quantity": "difference"}, flat(draws.sel(where)), sign


def _row(
    prior: SharePrior, labels: dict[str, Any], draws: np.ndarray, sign: float, weights: Reweighted | None, prob: float
) -> dict[str, Any]:
    """A row of the table; without weights, of the draws as they are."""
    limits = dict.fromkeys(("median", "lower", "upper"), math.nan)
    chance_that = probability if weights is None else weights.probability
    known = weights is None or weights.reliable
    if known:
        found = summarise(draws, prob) if weights is None else weights.limits(draws, prob)
        limits = {name: float(found[name]) for name in limits}
    silent = not known or bool(labels["withheld"]) or math.isnan(sign)
    return {
        "outcome": labels["outcome"],
        "prior": prior.label,
        "prior_mean": prior.mean,
        "prior_sd": prior.sd,
        **{name: labels[name] for name in ("quantity", "stratum", "contrast", "point", "week", "unit")},
        **limits,
        "probability_favours": math.nan if silent else chance_that(sign * draws > 0),
        "direction": labels["direction"],
        "pareto_k": math.nan if weights is None else weights.pareto_k,
        "effective_draws": math.nan if weights is None else weights.effective_draws,
        "withheld": labels["withheld"] if known else f"{NOT_KNOWN}: set {prior.line}",
    }


def _page_table(rows: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """A row for each prior and stratum; a prior whose answer is not known has one row with the line that refits it."""
    shown: list[dict[str, Any]] = []
    points = [point for point in _POINTS if point in set(rows["point"])]
    for (prior, stratum), cells in rows.groupby(["prior", "stratum"], sort=False):
        by_point = {row["point"]: row for row in cells.to_dict("records")}
        first = next(iter(by_point.values()))
        known = not first["withheld"].startswith(NOT_KNOWN)
        if not known and shown and shown[-1]["Prior of the share"] == prior:
            continue
        shown.append(
            {
                "Prior of the share": prior,
                "Stratum": stratum_label(stratum) if known else "each",
                **(_cells(by_point, points, reading) if known else {f"Share ({reading.label})": first["withheld"]}),
                "Pareto k": fixed(first["pareto_k"], 2) if math.isfinite(first["pareto_k"]) else "–",
                "Effective draws": fixed(first["effective_draws"], 0) if math.isfinite(first["pareto_k"]) else "–",
            }
        )
    return pd.DataFrame(shown).fillna("–")


def _cells(by_point: dict[str, dict[str, Any]], points: list[str], reading: Reading) -> dict[str, str]:
    """Share and differences of one prior and stratum; the mixture of strata has no share."""
    sides, staggered = reading.context.sides, reading.context.staggered
    found = dict.fromkeys((f"Share ({reading.label})", "P(share > 0)"), "–")
    if share := by_point.get(""):
        limits = estimate(share["median"], share["lower"], share["upper"])
        found = dict(zip(found, (limits, chance(share["probability_favours"])), strict=True))
    for point in points:
        row, when = by_point.get(point), _POINTS[point] if staggered else "at the last visit of both arms"
        limits = f"{estimate(row['median'], row['lower'], row['upper'])}, week {row['week']:g}" if row else "–"
        found[f"Difference {when}"] = limits
        found[f"P(favours {sides[0]}) {when}"] = chance_or_why(row) if row else "–"
    return found


def _said(shares: xr.DataArray | None, fitted: SharePrior | None, context: FitContext) -> str:
    """The fitted prior in words, and what one share in every start group takes where they may differ."""
    assert shares is not None
    assert fitted is not None
    parts = [f"before the data a stratum's share is Normal({fitted.mean:g}, {fitted.sd:g})"]
    if shares.sizes["stratum"] > 1:
        parts.append(f"the shares of two strata have correlation {fitted.correlation:g}")
    if shares.sizes["start_group"] > 1:
        of_groups = {
            "complete": f"it is the same in every {context.arm}",
            "partial": f"the share in one {context.arm} lies about its stratum's with SD {fitted.group_sd:g}",
            "none": f"every {context.arm} has a share of its own about the strata's common part",
        }
        parts.append(of_groups[fitted.pooling])
    prior = f"{', '.join(parts)}."
    if fitted.pooling == "complete":
        return prior
    implied = (
        " That makes P(the difference at the last week favours the earlier start) equal P(share > 0) by assumption."
        if context.staggered
        else ""
    )
    return f'{prior} One share in every {context.arm}: {NOT_KNOWN}: set [model] pooling = "complete".{implied}'
