"""Priors in a dossier: what each is and why, what it is worth in persons, and what it predicts before the data."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.dossier.config import DossierConfig, PriorWords
from bayesmodels.dossier.criteria import Decided, stacked
from bayesmodels.dossier.evidence import Run
from bayesmodels.dossier.prior_size import PriorSize, prior_size
from bayesmodels.errors import BadInput
from bayesmodels.parts.lookup import unknown
from bayesmodels.posterior.context import unit_of
from bayesmodels.posterior.convergence import scalar_diagnostics
from bayesmodels.trials.kept import Kept, cells, said
from bayesmodels.vocabulary import ALL, EFFECTS, VARIABLES

COLUMNS = ("outcome", "parameter", "stratum", "prior", "unit", "source")
"""Of the table of priors, beside what a model adds."""

EXTERNAL_COUNT = (
    "not known: the run borrows, and external persons count with the data; what each of this trial's own persons tells "
    "cannot be told apart"
)
"""Why no prior of a run that borrows has a size: external persons inform the untreated rate, SDs and course."""


def priors_table(run: Run, config: DossierConfig) -> pd.DataFrame:
    """Every prior of the run's model, with its source and the sponsor's reason.

    Parameters
    ----------
    run : Run
    config : DossierConfig

    Returns
    -------
    DataFrame
        As `prior_table` has it, from the posterior's root attribute `priors`, with `justification`; empty where the
        posterior does not hold its priors.

    Raises
    ------
    BadInput
        `[[prior]]` names an outcome or a parameter that has none.
    """
    rows = json.loads(run.tree.attrs.get("priors", "[]"))
    if not rows:
        return pd.DataFrame(columns=[*COLUMNS, "justification"])
    table = pd.DataFrame(rows)
    for name in COLUMNS:
        if name not in table:
            table[name] = ""
    others = [name for name in table if name not in COLUMNS]
    table = table[[*COLUMNS[:3], *others, *COLUMNS[3:]]].fillna("")
    problems = [
        line for number, words in enumerate(config.sections.prior, 1) for line in _strange(words, number, table)
    ]
    if problems:
        raise BadInput(f"{config.path.name}: {line}" for line in problems)
    table["justification"] = [_reason(row, config.sections.prior) for row in table.to_dict("records")]
    return table


def _strange(words: PriorWords, number: int, table: pd.DataFrame) -> list[str]:
    """What a `[[prior]]` names and the table does not have."""
    found = []
    for name in ("outcome", "parameter"):
        wanted, known = getattr(words, name), table[name].unique().tolist()
        if wanted is not None and wanted not in known:
            found.append(f"[[prior]] no. {number}: {name}: {unknown(name, wanted, known)}")
    if not found and not any(_is_of(words, row) for row in table.to_dict("records")):
        found.append(
            f"[[prior]] no. {number}: {words.outcome} has no parameter {words.parameter!r}; see tables/priors.csv"
        )
    return found


def _is_of(words: PriorWords, row: dict[str, Any]) -> bool:
    return words.outcome in (None, row["outcome"]) and words.parameter in (None, row["parameter"])


def _reason(row: dict[str, Any], every: Sequence[PriorWords]) -> str:
    """The words of the most particular entry that a prior has; of equal ones the last."""
    own = sorted(
        (words for words in every if _is_of(words, row)),
        key=lambda words: (words.parameter is not None, words.outcome is not None),
    )
    return own[-1].why if own else ""


def prior_size_table(run: Run, found: Sequence[Decided]) -> pd.DataFrame:
    """What the priors of the criteria's quantities and of the drug's effects are worth, in persons.

    Parameters
    ----------
    run : Run
    found : sequence of Decided

    Returns
    -------
    DataFrame
        criterion (blank for the effects), quantity, unit, prior_median, prior_lower, prior_upper, posterior_median,
        lower, upper, interval, variance_ratio (posterior over prior), persons (of the trial), prior_persons,
        monte_carlo_error, by_width (`PriorSize`), note. Sizes of positive quantities that the vocabulary
        compares on the logarithm are of the logarithm. Sizes are blank where the run borrows: the external persons'
        information is in the posterior, so that a share of it for each of the trial's persons is not known. Empty where
        the prior is not archived.
    """
    rows = []
    for each in found:
        labels = {dim: said(label) for dim, label in each.cell["labels"].items()}
        size = each.size(run.persons)
        row = _size_row(
            run, each.criterion.variable, each.cell["quantity"], labels, each.prior, each.draws.ravel(), size
        )
        rows.append({"criterion": each.criterion.name, **row})
    before = run.tree["prior"].data_vars if "prior" in run.tree.children else {}
    for name in EFFECTS:
        if name not in before or not run.reading.publishes(name) or name not in VARIABLES:
            continue
        after = run.reading.tree["posterior"][name]
        bulk = stacked_ess(after)
        priors = {cell["quantity"]: draws for cell, draws in cells(Kept(variable=name), stacked(before[name]))}
        for cell, draws in cells(Kept(variable=name), stacked(after)):
            prior = priors.get(cell["quantity"], np.array([]))
            labels = {dim: said(label) for dim, label in cell["labels"].items()}
            logs = VARIABLES[name].scale == "log" and (prior > 0).all() and (draws > 0).all()
            pair = (np.log(prior), np.log(draws)) if logs else (prior, draws)
            size = prior_size(*pair, run.persons, bulk.get(cell["quantity"], math.nan))
            rows.append({"criterion": "", **_size_row(run, name, cell["quantity"], labels, prior, draws, size)})
    table = pd.DataFrame(rows)
    if table.empty or table["prior_median"].isna().all():
        return pd.DataFrame(columns=["criterion", "quantity", "prior_persons"])
    return table.drop_duplicates(["criterion", "quantity"]).reset_index(drop=True)


def stacked_ess(values: Any) -> dict[str, float]:
    """Bulk effective number of draws of each entry of a variable, by name of the quantity (`trials.kept.cells`)."""
    found = scalar_diagnostics(values.reset_coords(drop=True))["ess_bulk"].rename(values.name)
    entries = cells(Kept(variable=str(values.name)), found.expand_dims(every=1))
    return {cell["quantity"]: float(draws[0]) for cell, draws in entries}


def _size_row(
    run: Run, name: str, quantity: str, labels: dict[str, str], prior: np.ndarray, draws: np.ndarray, size: PriorSize
) -> dict[str, Any]:
    context, prob = run.reading.context, run.reading.prob
    if context.borrows:
        size = replace(size, persons=math.nan, error=math.nan, by_width=math.nan)
    tail = (1 - prob) / 2
    edges = [0.5, tail, 1 - tail]
    known = prior[np.isfinite(prior)]
    before = np.quantile(known, edges) if len(known) else [math.nan] * 3
    after = np.quantile(draws[np.isfinite(draws)], edges)
    return {
        "quantity": quantity,
        "unit": unit_of(name, labels, context.outcomes, context.hazard_units),
        **dict(zip(("prior_median", "prior_lower", "prior_upper"), map(float, before), strict=True)),
        **dict(zip(("posterior_median", "lower", "upper"), map(float, after), strict=True)),
        "interval": run.reading.label,
        "variance_ratio": size.variance_ratio,
        "persons": run.persons,
        "prior_persons": size.persons,
        "monte_carlo_error": size.error,
        "by_width": size.by_width,
        "note": EXTERNAL_COUNT if context.borrows else _note(size, run.persons),
    }


def _note(size: PriorSize, persons: float) -> str:
    if math.isnan(persons):
        return "the posterior does not say how many persons it is from"
    if math.isnan(size.variance_ratio):
        return "not known: the prior is not archived, or has no width"
    if size.variance_ratio >= 1:
        return "not known: the posterior is not narrower than the prior, so these data taught nothing about it"
    notes = ["most of what is known is the prior"] if size.variance_ratio > 0.5 else []
    if not math.isfinite(size.by_width) or not 0.5 <= size.by_width / size.persons <= 2:
        notes.append("far from normal: the two sizes differ by more than a factor of 2")
    return "; ".join(notes)


def prior_predictive_table(run: Run, found: Sequence[Decided]) -> pd.DataFrame:
    """Mean courses that the prior expects, and how often they leave the outcome's limits.

    Parameters
    ----------
    run : Run
    found : sequence of Decided
        Their weeks are shown, beside the first and the last.

    Returns
    -------
    DataFrame
        outcome, start_group, stratum, week, unit, median, lower, upper, interval, limit_low, limit_high (blank where
        there are none), share_below, share_above (of prior draws of the latent mean). Empty where the prior holds no
        curves.
    """
    before = run.tree["prior"].data_vars if "prior" in run.tree.children else {}
    names = [name for name in ("latent_curve", "curve") if name in before]
    if not names:
        return pd.DataFrame(columns=["outcome", "week"])
    context, prob = run.reading.context, run.reading.prob
    tail = (1 - prob) / 2
    weeks = before[names[-1]]["week"].to_numpy()
    asked = {float(each.cell["labels"]["week"]) for each in found if "week" in each.cell["labels"]}
    shown = [float(week) for week in weeks if week in (weeks.min(), weeks.max()) or float(week) in asked]
    limits = {spec["name"]: spec.get("limits") for spec in context.model.get("outcomes", []) if "name" in spec}
    seen: dict[tuple[str, ...], dict[str, Any]] = {}
    for name in names:
        strata = before[name]["stratum"].to_numpy().tolist()
        kept = Kept(variable=name, at={"week": tuple(shown), "stratum": ALL if ALL in strata else tuple(strata)})
        for cell, draws in cells(kept, stacked(before[name])):
            labels = {dim: said(label) for dim, label in cell["labels"].items()}
            key = tuple(labels.values())
            if key in seen:
                continue
            known = draws[np.isfinite(draws)]
            lower, median, upper = np.quantile(known, [tail, 0.5, 1 - tail])
            low, high = limits.get(labels["outcome"]) or (math.nan, math.nan)
            seen[key] = {
                **labels,
                "week": float(cell["labels"]["week"]),
                "unit": context.outcomes[labels["outcome"]].unit,
                "median": float(median),
                "lower": float(lower),
                "upper": float(upper),
                "interval": run.reading.label,
                "limit_low": low,
                "limit_high": high,
                "share_below": float((known < low).mean()) if math.isfinite(low) else math.nan,
                "share_above": float((known > high).mean()) if math.isfinite(high) else math.nan,
            }
    order = {name: place for place, name in enumerate(context.outcomes)}
    rows = sorted(seen.values(), key=lambda row: (order.get(row["outcome"], 0), row["start_group"], row["week"]))
    return pd.DataFrame(rows)
