"""Drug effects: posterior beside prior, and how much the data taught.

Widths are of equal-tailed intervals. The contrast between start groups is delta of the group that starts later minus
delta of the group that starts earlier: what is known of whether starting late gives the same effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from bayesmodels.html_tables import html_table
from bayesmodels.posterior.archive import require
from bayesmodels.posterior.context import FitContext, Outcome, stratum_label, units
from bayesmodels.posterior.intervals import (
    NOTHING,
    PRIOR_COLUMNS,
    STATISTICS,
    beside_prior,
    blank_labels,
    flat,
    probability,
)
from bayesmodels.posterior.monte_carlo import ERROR, error_in_brackets, shown_with_errors, with_errors
from bayesmodels.posterior.wording import as_percent, chance_of, difference, estimate, percents, places, signed
from bayesmodels.reporting.chapter import Chapter, LeadLines, Makers, Needs, Reading, Tables
from bayesmodels.reporting.drawing import COLOURS, add_title, interval_rows, new_panel
from bayesmodels.reporting.first_screen import LEARNED, PARTLY, how_learned
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.vocabulary import EFFECTS


class Effects(Chapter):
    """Drug effects by outcome, start group and stratum."""

    name = "effects"
    needs = Needs(("drug_effect",))
    shows = "effects"

    def tables(self, reading: Reading) -> Tables:
        """`effects`."""
        return {"effects": effect_table(reading).table}

    def figures(self, reading: Reading) -> Makers:
        """``effect_<outcome>``."""
        table = reading.tables["effects"]
        return {
            f"effect_{outcome.name}": partial(effect_figure, table, outcome, reading.context.staggered)
            for outcome in reading.context.outcomes.values()
            if outcome.effect_unit and (table["outcome"] == outcome.name).any()
        }

    def section(self, reading: Reading) -> Section:
        """Posterior beside prior."""
        context, label = reading.context, reading.label
        effects = reading.tables["effects"].sort_values("outcome", key=places, kind="stable")
        effects = effects[~_said_as_slowing(effects) & ~_constant(effects)]
        rows = []
        for row in effects.to_dict("records"):
            outcome = context.outcomes[row["outcome"]]
            numbers = (row["median"], row["lower"], row["upper"])
            rows.append(
                {
                    "Outcome": f"{outcome.label}, {stratum_label(row['stratum'])}" if row["stratum"] else outcome.label,
                    "Effect": _effect_name(row, context),
                    f"Posterior median ({label})": _shown(row),
                    f"Prior median ({label})": estimate(row["prior_median"], row["prior_lower"], row["prior_upper"]),
                    "Unit": row["unit"],
                    "In percent": percents(*numbers) if row["unit"] == "ln" and row["direction"] else "",
                    "P(favours the drug)": chance_of(row["probability_favours"], row["direction"]),
                    "Posterior / prior width": _width_cell(row["width_ratio"], context.unconverged),
                }
            )
        pictures = [
            Picture(
                reading.figures.maker(name),
                f"Drug effect on {outcome.label}: posterior intervals over prior intervals, with a line at no effect.",
                f"{label}; {outcome.effect_unit}. Grey: prior. Line at zero: no effect.",
            )
            for outcome in context.outcomes.values()
            if (name := f"effect_{outcome.name}") in reading.figures
        ]
        return Section(
            "Effects of the drug, prior beside posterior",
            []
            if context.unconverged
            else [
                "An effect whose posterior is as wide as its prior was not learned from these data, wherever it lies: "
                f"learned below {LEARNED:g} of the prior's width, partly learned below {PARTLY:g}.",
            ],
            {
                f"Effects by outcome, {context.arm} and stratum: median and {label}": pd.DataFrame(
                    shown_with_errors(rows, effects[ERROR], "Posterior median")
                )
            },
            pictures,
            "Which sign favours the drug stands before its probability. "
            + (_LATER if context.staggered else "")
            + "Effects are those of all persons, as if alive and followed.",
        )

    def lead(self, reading: Reading) -> LeadLines:
        """Headline effects, by whether they are identified."""
        rows = _headline_rows(reading)
        known, unknown = ([_line(reading, row) for row in rows if _is_identified(row) is k] for k in (True, False))
        return LeadLines(known, unknown)


@dataclass(frozen=True)
class EffectTable:
    """Drug effects by outcome, start group and stratum.

    Parameters
    ----------
    table : DataFrame
        One row per effect: `name`, `outcome`, `stratum`, `start_group`, `contrast` (blank where it does not apply),
        `unit`, `mean`, `sd`, `median`, `lower`, `upper`, `prior_median`, `prior_sd`, `prior_lower`,
        `prior_upper`, `width_ratio` (posterior over prior width), `probability_favours` (the drug;
        NaN where the sign says nothing), `direction`, `monte_carlo_error`.
    interval_label : str
        Kind and level of the interval.
    """

    table: pd.DataFrame
    interval_label: str

    def sentence(self) -> str:
        """One line per effect of the drug."""
        rows = self.table[self.table["name"] == "drug_effect"]
        return "\n".join(
            f"{row.outcome}, {stratum_label(row.stratum)}: {row.median:.3g} {row.unit} "
            f"({self.interval_label} {row.lower:.3g} to {row.upper:.3g}; {row.direction})"
            for row in rows.itertuples()
        )

    def _repr_html_(self) -> str:
        return html_table(self.table, "{:.3g}")


def effect_table(reading: Reading) -> EffectTable:
    """Effects by outcome, start group and stratum, prior beside posterior.

    Raises
    ------
    MissingVariable
        The posterior publishes no `drug_effect`.
    """
    tree, context = reading.tree, reading.context
    require(tree, variables=["drug_effect"])
    posterior, prior = _effects(tree, "posterior", context), _effects(tree, "prior", context)
    frames = [
        beside_prior(draws, prior.get(name), reading.prob).assign(
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
    return EffectTable(with_errors(table, posterior, context), reading.label)


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


def effect_figure(effects: pd.DataFrame, outcome: Outcome, staggered: bool = True) -> Figure:
    """Effects of the drug on one outcome, posterior (coloured) over prior (grey)."""
    rows = effects[(effects["outcome"] == outcome.name) & (effects["unit"] == outcome.effect_unit)]
    rows = rows[rows["name"] != "group_effect_sd"].reset_index(drop=True)
    figure, axes = new_panel(height=1.0 + 0.36 * max(len(rows), 2))
    axes.hlines(
        -np.arange(len(rows)), rows["prior_lower"], rows["prior_upper"], color="#b5bbc2", linewidth=7, label="prior"
    )
    interval_rows(axes, rows, [_effect_label(row, staggered) for row in rows.itertuples()], COLOURS[0], "posterior")
    axes.set_xlabel(outcome.effect_unit)
    add_title(axes, outcome.label)
    return figure


_LABELS = ("outcome", "stratum", "start_group", "contrast")

_LATER = "Later minus earlier: what is known of whether starting late gives the same effect. "


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


def _effect_label(row: Any, staggered: bool) -> str:
    stratum = "" if row.stratum in ("", "all") else f", {row.stratum}"
    if row.name == "group_drug_effect":
        return f"{row.start_group}{' start' if staggered else ''}{stratum}"
    if row.name == "group_effect_contrast":
        return f"{row.contrast}{stratum}"
    everyone = "all starts" if staggered else "drug effect"
    return f"{'slowing' if row.name == 'proportional_slowing' else everyone}{stratum}"


def _effect_name(row: Mapping[str, Any], context: FitContext) -> str:
    kind = row["name"]
    names = {
        "drug_effect": "drug effect",
        "group_drug_effect": f"in {'those who start ' if context.staggered else ''}{row['start_group']}",
        "group_effect_contrast": f"{row['contrast'].replace(' - ', ' minus ')}",
    }
    return names.get(kind, kind.replace("_", " "))


def _width_cell(ratio: float, unconverged: bool) -> str:
    """Posterior over prior width, and what it says; of chains that did not converge nothing."""
    if math.isnan(ratio):
        return "–"
    return f"{ratio:.2f}" if unconverged else f"{ratio:.2f}: {how_learned(ratio)}"


def _headline_rows(reading: Reading) -> list[dict[str, Any]]:
    """Headline effects; effects and lags that are the same in every stratum once."""
    table = reading.tables["effects"]
    rows = table[
        table["name"].isin([name for name, row in EFFECTS.items() if row.would_teach]) & (table["sd"] > NOTHING)
    ].copy()
    rows = rows[~_said_as_slowing(rows)]
    same = ["name", "outcome", "contrast", "median", "lower", "upper"]
    shared = rows.duplicated(same, keep=False)
    rows.loc[shared, "stratum"] = ""
    return rows.drop_duplicates(same).to_dict("records")


def _shown(row: dict[str, Any]) -> str:
    """Median and interval; one of what may have either sign is not rounded to zero."""
    return (difference if row["direction"] else estimate)(row["median"], row["lower"], row["upper"])


def _constant(effects: pd.DataFrame) -> pd.Series:
    """Numbers that the model fixes: neither posterior nor prior has any width."""
    wide = [effects[f"{edge}upper"] - effects[f"{edge}lower"] > NOTHING for edge in ("", "prior_")]
    return ~(wide[0] | wide[1])


def _said_as_slowing(rows: pd.DataFrame) -> pd.Series:
    """Which rows of `drug_effect` repeat the outcome's proportional slowing, the word for the same share."""
    slowing = set(rows.loc[rows["name"] == "proportional_slowing", "outcome"])
    return (rows["name"] == "drug_effect") & rows["outcome"].isin(slowing)


def _is_identified(row: dict[str, Any]) -> bool:
    has_sign = EFFECTS[row["name"]].scale != "log"
    return bool(row["width_ratio"] < LEARNED and (not has_sign or row["lower"] > 0 or row["upper"] < 0))


def _line(reading: Reading, row: dict[str, Any]) -> str:
    outcome = reading.context.outcomes[row["outcome"]]
    where = f", {stratum_label(row['stratum'])}" if row["stratum"] not in ("", "all") else ""
    numbers = (row["median"], row["lower"], row["upper"])
    has_sign = EFFECTS[row["name"]].scale != "log"
    percent = as_percent(outcome, *numbers) if has_sign and row["unit"] == outcome.unit else ""
    direction = f"; {signed(row['direction'])}" if row["direction"] else ""
    effect, said = EFFECTS[row["name"]], EFFECTS[row["name"]].label
    teach = effect.would_teach
    if row["name"] == "group_effect_contrast" and not reading.context.staggered:
        said, teach = (
            f"effect in {row['contrast'].replace(' - ', ' minus ')}",
            "More persons in both would change this.",
        )
    unit = "" if row["unit"] == "proportion" else f" {row['unit']}"
    text = f"{outcome.label}{where}: {said} {_shown(row)}{unit}{f', that is {percent}' if percent else ''}{direction}."
    error = error_in_brackets(row[ERROR])
    if _is_identified(row):
        return f"{text} {_width_said(row['width_ratio'])}{error}"
    crosses = " The interval contains zero." if has_sign and row["lower"] <= 0 <= row["upper"] else ""
    return f"{text}{crosses} {_width_said(row['width_ratio'])} {teach}{error}"


def _width_said(ratio: float) -> str:
    if math.isnan(ratio):
        return "There is no prior to compare it with."
    if ratio >= PARTLY:
        return f"Not learned from these data: the interval is {ratio:.2f} times as wide as the prior's."
    return f"The interval is {ratio:.2f} times as wide as the prior's."
