"""Success criteria on a posterior: the probability of each, and whether it is above its threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.dossier.config import Criterion
from bayesmodels.dossier.evidence import Run
from bayesmodels.dossier.prior_size import PriorSize, prior_size
from bayesmodels.errors import BadInput
from bayesmodels.posterior.context import unit_of
from bayesmodels.posterior.estimand import all_persons, compared, estimand, withheld
from bayesmodels.posterior.intervals import summarise
from bayesmodels.reporting.chapter import Reading
from bayesmodels.trials.kept import cells, said
from bayesmodels.vocabulary import VARIABLES, made_by

MET, NOT_MET, NOT_DECIDED = "met", "not met", "not decided"

NEAR = 2.0
"""Monte-Carlo standard errors from the threshold within which a decision could turn with other seeds."""

_PLAIN_DIFFERENCES = ("difference", "latent_difference", "standardised_difference")


@dataclass(frozen=True)
class Decided:
    """A criterion on the draws of one posterior.

    Attributes
    ----------
    criterion : Criterion
    cell : mapping
        Name and labels of its quantity (`trials.kept.cells`).
    sign : {1, -1}
        1 where up helps.
    draws : ndarray (chain, draw)
    prior : ndarray (draw,)
        Empty where the prior is not archived.
    """

    criterion: Criterion
    cell: dict[str, Any]
    sign: int
    draws: np.ndarray
    prior: np.ndarray

    def favourable(self, values: Any) -> Any:
        """Whether values are favourable.

        Parameters
        ----------
        values : float or array
        """
        return self.criterion.favourable(values, self.sign)

    @property
    def hits(self) -> np.ndarray:
        """Whether each draw (chain, draw) is favourable."""
        return self.favourable(self.draws)

    @property
    def probability(self) -> float:
        """Posterior probability that the quantity is favourable."""
        return float(self.hits.mean())

    @property
    def error(self) -> float:
        """Its Monte-Carlo standard error, by the indicator's effective number of draws; NaN where it is 0 or 1."""
        p = self.probability
        if not 0 < p < 1:
            return math.nan
        from arviz_stats.base import array_stats  # late: 1 s

        effective = float(array_stats.ess(self.hits.astype(float), chain_axis=0, draw_axis=1, method="mean"))
        return math.sqrt(p * (1 - p) / effective)

    @property
    def prior_probability(self) -> float:
        """The same probability before the data; NaN where the prior is not archived."""
        return float(self.favourable(self.prior).mean()) if len(self.prior) else math.nan

    @property
    def met(self) -> bool:
        """Whether the probability is above the threshold."""
        return self.probability > self.criterion.probability

    def size(self, persons: float) -> PriorSize:
        """Effective sample size of the quantity's prior.

        Parameters
        ----------
        persons : float
            Of the trial.
        """
        from arviz_stats.base import array_stats  # late: 1 s

        if not len(self.prior):
            return PriorSize(math.nan, math.nan, math.nan, math.nan)
        squared = (self.draws - self.draws.mean()) ** 2
        effective = float(array_stats.ess(squared, chain_axis=0, draw_axis=1, method="mean"))
        return prior_size(self.prior, self.draws.ravel(), persons, effective)


def decided(run: Run, criteria: Sequence[Criterion]) -> list[Decided]:
    """Every criterion on a run's posterior.

    Parameters
    ----------
    run : Run
    criteria : sequence of Criterion

    Raises
    ------
    BadInput
        What the posterior does not have, a line for each criterion.
    """
    found, problems = [], []
    for criterion in criteria:
        try:
            found.append(_decided(run.reading, criterion))
        except BadInput as error:
            problems += [f"[[success]] {problem} (run {run.name!r})" for problem in error.problems]
    if problems:
        raise BadInput(problems)
    return found


def _decided(reading: Reading, criterion: Criterion) -> Decided:
    name = criterion.variable
    if not reading.publishes(name):
        line = f": {made_by(name)}" if made_by(name) else ""
        raise BadInput(
            f"{criterion.name!r}: variable: the posterior has no {name}; fit a model that publishes it{line}"
        )
    values = stacked(reading.tree["posterior"][name])
    chosen = list(cells(criterion, values))
    if not chosen:
        raise BadInput(f"{criterion.name!r}: {name} is undefined in this posterior; choose another quantity")
    (cell, draws), sizes = chosen[0], reading.tree["posterior"].sizes
    before = np.array([])
    if "prior" in reading.tree.children and name in reading.tree["prior"].data_vars:
        before = next((drawn for _, drawn in cells(criterion, stacked(reading.tree["prior"][name]))), before)
    shaped = draws.reshape(sizes["chain"], sizes["draw"])
    return Decided(criterion, cell, criterion.sign(cell), shaped, before)


def stacked(values: xr.DataArray) -> xr.DataArray:
    """Draws of all chains in one first dim, chains one after the other, with labels and their coordinates.

    Parameters
    ----------
    values : xr.DataArray
        Dims (chain, draw, ...) of a published variable.

    Returns
    -------
    xr.DataArray
        Dims (every, ...) in the vocabulary's order.
    """
    dims = VARIABLES[str(values.name)].dims
    ordered = values.transpose("chain", "draw", *dims)
    coords = {
        name: each for name, each in ordered.coords.items() if not {"chain", "draw"} & {*map(str, each.dims), name}
    }
    flat = ordered.to_numpy().reshape(-1, *ordered.shape[2:])
    return xr.DataArray(flat, dims=("every", *dims), coords=coords, name=values.name)


def criteria_table(run: Run, found: Sequence[Decided]) -> pd.DataFrame:
    """A row for each criterion on one posterior.

    Parameters
    ----------
    run : Run
    found : sequence of Decided

    Returns
    -------
    DataFrame
        criterion, quantity, unit, favours, beyond, threshold, probability (posterior), monte_carlo_error, answer (met,
        not met, not decided: the chains did not converge), median, lower, upper, prior_probability, estimand (what
        the analysis estimates, in words), caution.
    """
    context, prob = run.reading.context, run.reading.prob
    rows = []
    for each in found:
        criterion = each.criterion
        limits = summarise(each.draws.ravel(), prob)
        labels = {dim: said(label) for dim, label in each.cell["labels"].items()}
        words, cautions = _estimand(run, each)
        near = abs(each.probability - criterion.probability) < NEAR * each.error
        if near and not context.unconverged:
            cautions.append(
                "the probability is within its Monte-Carlo error of the threshold: other seeds may decide otherwise, "
                "more draws settle it"
            )
        answer = MET if each.met else NOT_MET
        rows.append(
            {
                "criterion": criterion.name,
                "quantity": each.cell["quantity"],
                "unit": unit_of(criterion.variable, labels, context.outcomes, context.hazard_units),
                "favours": "up" if each.sign > 0 else "down",
                "beyond": criterion.beyond,
                "threshold": criterion.probability,
                "probability": each.probability,
                "monte_carlo_error": each.error,
                "answer": NOT_DECIDED if context.grade not in ("ok", "short") else answer,
                **{name: float(limits[name]) for name in ("median", "lower", "upper")},
                "interval": run.reading.label,
                "prior_probability": each.prior_probability,
                "estimand": words,
                "caution": "; ".join(cautions),
            }
        )
    return pd.DataFrame(rows)


def _estimand(run: Run, each: Decided) -> tuple[str, list[str]]:
    """What the analysis estimates, and what must be known of it."""
    context, labels, name = run.reading.context, each.cell["labels"], each.criterion.variable
    contrasts = {contrast.label: contrast for contrast in context.contrasts}
    if "contrast" not in labels or "week" not in labels or labels["contrast"] not in contrasts:
        return VARIABLES[name].meaning, []
    contrast, week = contrasts[str(labels["contrast"])], float(labels["week"])
    cautions, words = [], estimand(context, contrast, week)
    if context.free_baseline and name in _PLAIN_DIFFERENCES:
        words = f"{all_persons(context)}; {compared(contrast, week)}"
        cautions.append(
            "start groups have means of their own at randomisation: the published difference holds what differed then"
        )
    if "outcome" in labels:
        stratum = str(labels.get("stratum", "all"))
        reason = withheld(run.reading.observed, str(labels["outcome"]), contrast, stratum, week)
        if reason:
            cautions.append(f"few persons are still observed: the run's own report gives no probability ({reason})")
    if week > contrast.switch_week:
        cautions.append(
            f"after week {contrast.switch_week:g} both groups are on the drug: this compares an early with a delayed "
            "start, open label"
        )
    return words, cautions
