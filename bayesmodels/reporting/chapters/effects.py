"""Population parameters and drug effects: posterior beside prior, and how much the data taught.

Widths are of equal-tailed intervals. The contrast between start groups is delta of the group that starts later minus
delta of the group that starts earlier: what is known of whether starting late gives the same effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmodels.posterior.archive import require
from bayesmodels.posterior.context import FitContext, stratum_label, units
from bayesmodels.posterior.intervals import PRIOR_COLUMNS, STATISTICS, beside_prior, blank_labels, flat, probability
from bayesmodels.posterior.monte_carlo import with_errors
from bayesmodels.vocabulary import EFFECTS

LEARNED, PARTLY = 0.5, 0.8
"""Posterior width over prior width: below the first the data taught the value, from the second on they did not."""


@dataclass(frozen=True)
class EffectTable:
    """Drug effects by outcome, start group and stratum.

    Parameters
    ----------
    table : DataFrame
        One row an effect: `name`, `outcome`, `stratum`, `start_group`, `contrast` (blank where it does not apply),
        `unit`, `mean`, `sd`, `median`, `lower`, `upper`, `prior_median`, `prior_sd`, `prior_lower`,
        `prior_upper`, `width_ratio` (posterior over prior width), `probability_favours` (the drug;
        NaN where the sign says nothing), `direction`, `monte_carlo_error`.
    interval_label : str
        Kind and level of the interval.
    """

    table: pd.DataFrame
    interval_label: str

    def sentence(self) -> str:
        """One line an effect of the drug."""
        rows = self.table[self.table["name"] == "drug_effect"]
        return "\n".join(
            f"{row.outcome}, {stratum_label(row.stratum)}: {row.median:.3g} {row.unit} "
            f"({self.interval_label} {row.lower:.3g} to {row.upper:.3g}; {row.direction})"
            for row in rows.itertuples()
        )

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format="{:.3g}".format)


def effect_table(tree: xr.DataTree, context: FitContext, prob: float, interval_label: str) -> EffectTable:
    """Effects by outcome, start group and stratum, prior beside posterior.

    Raises
    ------
    MissingVariable
        The posterior publishes no `drug_effect`.
    """
    require(tree, variables=["drug_effect"])
    posterior, prior = _effects(tree, "posterior", context), _effects(tree, "prior", context)
    frames = [
        beside_prior(draws, prior.get(name), prob).assign(
            name=name, unit=lambda frame, name=name: _units(frame, name, context)
        )
        for name, draws in posterior.items()
    ]
    columns = ["name", *_LABELS, "unit", *STATISTICS, *PRIOR_COLUMNS]
    table = blank_labels(pd.concat(frames, ignore_index=True).reindex(columns=columns), _LABELS)
    table = table[[context.outcomes[o].effect_type != "none" for o in table["outcome"]]].reset_index(drop=True)
    signs = [_sign(row, context) for row in table.itertuples()]
    table["probability_favours"] = [
        math.nan if math.isnan(sign) else probability(sign * _entry(posterior[row.name], row) > 0)
        for sign, row in zip(signs, table.itertuples(index=False), strict=True)
    ]
    table["direction"] = ["" if math.isnan(s) else f"{'+' if s > 0 else '-'} favours the drug" for s in signs]
    return EffectTable(with_errors(table, posterior, context), interval_label)


def start_group_contrasts(group_effect: xr.DataArray, context: FitContext) -> xr.DataArray | None:
    """Delta of each later group minus delta of the earliest, dims (..., outcome, stratum, contrast).

    None with a single treated group, and where every group has the same effect (complete pooling).
    """
    treated = [g for g in context.start_groups if np.isfinite(context.drug_start_week.get(g, np.inf))]
    treated = sorted((g for g in treated if g in group_effect["start_group"]), key=context.drug_start_week.__getitem__)
    if len(treated) < 2:
        return None
    bare = group_effect.reset_coords(drop=True)
    first = bare.sel(start_group=treated[0], drop=True)
    later = [bare.sel(start_group=group, drop=True) - first for group in treated[1:]]
    labels = [f"{group} - {treated[0]}" for group in treated[1:]]
    contrasts = xr.concat(later, dim=pd.Index(labels, name="contrast"))
    return contrasts if bool((abs(contrasts) > 0).any()) else None


def own_effects(tree: xr.DataTree, outcome: str, contrast_groups: tuple[str, str]) -> bool:
    """Whether each start group has its own drug effect: its draws differ between the two groups."""
    draws = tree["posterior"].data_vars
    if "group_drug_effect" not in draws:
        return False
    effects = draws["group_drug_effect"].sel(outcome=outcome)
    if not set(contrast_groups) <= set(effects["start_group"].values.tolist()):
        return False
    first, second = (flat(effects.sel(start_group=group)) for group in contrast_groups)
    defined = ~(np.isnan(first) | np.isnan(second))
    return bool(np.any(first[defined] != second[defined]))


def how_learned(width_ratio: float) -> str:
    """What a posterior's width over its prior's says, in words."""
    if np.isnan(width_ratio):
        return "no prior width"
    if width_ratio < LEARNED:
        return "learned"
    return "partly learned" if width_ratio < PARTLY else "not learned"


_LABELS = ("outcome", "stratum", "start_group", "contrast")


def _effects(tree: xr.DataTree, group: str, context: FitContext) -> dict[str, xr.DataArray]:
    """The published effects of a group, in the table's order, with the contrast between start groups."""
    if group not in tree.children:
        return {}
    data = tree[group].to_dataset().reset_coords(drop=True)
    found = {str(name): data[name] for name in EFFECTS if name in data.data_vars}
    if "group_drug_effect" in found:
        contrast = start_group_contrasts(found["group_drug_effect"], context)
        if contrast is not None:
            found["group_effect_contrast"] = contrast
    return {name: found[name] for name in EFFECTS if name in found}


def _units(frame: pd.DataFrame, name: str, context: FitContext) -> list[str]:
    return units("group_drug_effect" if name == "group_effect_contrast" else name, frame, context.outcomes)


def _sign(row: Any, context: FitContext) -> float:
    """Sign of a value that favours the drug; NaN where the sign says nothing."""
    match EFFECTS[row.name].favours:
        case "outcome":
            return context.outcomes[row.outcome].effect_sign
        case "positive":
            return 1.0
    return math.nan


def _entry(draws: xr.DataArray, row: Any) -> np.ndarray:
    """Draws of one row's entry."""
    return flat(draws.sel({str(dim): getattr(row, str(dim)) for dim in draws.dims if dim not in ("chain", "draw")}))
