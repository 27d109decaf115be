"""The report page of a planned trial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.fitted import versions
from bayesmodels.planning.config import left_out_said
from bayesmodels.planning.design_plan import DesignPlan
from bayesmodels.planning.effects import ELASTICITIES, LIMITS, EffectPrior
from bayesmodels.planning.figures import PROGRAMMES, said
from bayesmodels.planning.grid import AXES
from bayesmodels.planning.results import EVERYWHERE, WHERE, PlannedTrial
from bayesmodels.posterior.wording import cell, fixed
from bayesmodels.reporting.page import Block, Lead, Picture, Section, compose
from bayesmodels.trials.operating import binomial_limits

HEADINGS = {
    "persons": "Persons", "period_weeks": "Period, weeks", "nfl_ratio": "NfL ratio",
    "decline_removed": "Decline removed", "function_lag": "Lag, months", "dropout": "Withdrawal ×",
}  # fmt: skip

MOST_ROWS = 120
"""Rows of a table on the page; the csv has all."""

DRAWN = "drawn"


def page(
    found: PlannedTrial, name: str, facts: Mapping[str, Any], pictures: Mapping[str, Mapping[str, Picture]]
) -> str:
    """The page as one HTML string.

    Parameters
    ----------
    found : PlannedTrial
    name : str
        Of the planned trial.
    facts : mapping
        The manifest's head: plan, seed, digest.
    pictures : mapping of str to mapping of str to Picture
        From `figures_by_part`.
    """
    stamp = None
    if found.status == "unfinished":
        undone = found.missing + (0 if found.programmes is None else found.programmes.missing)
        stamp = f"Unfinished: {undone:,} simulated trials or collections are missing"
    sections = [
        _sizes(found),
        *(_endpoint(found, endpoint.name, pictures.get(endpoint.name, {})) for endpoint in found.plan.endpoints),
        _looks(found),
        _programmes(found, pictures.get(PROGRAMMES, {})),
        _assumptions(found),
        _computation(found),
        _facts(facts),
    ]
    block = Block("", [each for each in sections if each is not None])  # the stamp stands once, on top
    return compose(f"{name}: planning", _lead(found), [block], stamp)


def _lead(found: PlannedTrial) -> Lead:
    n = found.computation
    cautions = []
    if n["failed"]:
        cautions.append(f"{n['failed']:,} simulated trials failed and are in no share below; reasons are further down.")
    at_looks = int((found.fits_at_looks["verdict"] == "not_converged").sum())
    for wrong, which in ((n["verdicts"].get("not_converged", 0), "fits"), (at_looks, "fits at interim looks")):
        if wrong:
            cautions.append(
                f"{wrong:,} {which} did not converge by the package's verdict; they count in every number below."
            )
    if found.left_out:
        cautions.append(f"{left_out_said(found.left_out)[0].upper()}{left_out_said(found.left_out)[1:]}.")
    kind = "a parallel" if _parallel(found.plan) else "a delayed-start"
    return Lead(
        paragraphs=(
            "Every trial here is simulated: no number on this page is a result of a drug.",
            f"Analysis behind the numbers: {found.analysis}.",
            f"{n['trials']:,} of {found.planned * len(found.plan.cells):,} simulated trials of {kind} trial, "
            f"{found.planned:,} in each of {len(found.plan.cells)} cells. Shares have exact binomial 95 % limits.",
            *_answers(found),
        ),
        cautions=cautions,
    )


def _answers(found: PlannedTrial) -> list[str]:
    """What each endpoint needs, a line each; where there are many, the table says it."""
    lines = [f"{name}{f' ({at})' if at else ''}: {told}." for name, at, told in found.answers(said)]
    if len(lines) <= 8:
        return lines
    same = [line for line in lines if f"({EVERYWHERE})" in line]
    return [*same, "The sizes that reach each power are in the first table."]


def _parallel(plan: DesignPlan) -> bool:
    return bool(np.isinf(plan.cells[0].design.trial.start_groups[-1].drug_start_week))


def _coordinates(found: PlannedTrial, table: pd.DataFrame, axes: list[str]) -> dict[str, Any]:
    shown = [axis for axis in axes if axis in found.varied or axis in ("persons", "nfl_ratio", "decline_removed")]
    return {HEADINGS[axis]: [_coordinate(axis, value) for value in table[axis]] for axis in shown}


def _coordinate(axis: str, value: float) -> str:
    if np.isnan(value):
        return DRAWN
    if axis == "decline_removed":
        return f"{fixed(100 * value, 0)} %"
    return f"{value:,.0f}" if axis in ("persons", "period_weeks") else cell(value)


def _share(row: Any) -> str:
    return f"{row.share:.3f} ({row.lower:.3f} to {row.upper:.3f})"


def _sizes(found: PlannedTrial) -> Section | None:
    table = found.sizes
    tables: dict[str, pd.DataFrame] = {}
    if len(table):
        first, last = found.table["persons"].min(), found.table["persons"].max()
        wide = table[table["target"] == found.targets[0]].reset_index(drop=True)
        rows = pd.DataFrame(
            {
                "Endpoint": wide["endpoint"],
                **_coordinates(found, wide, WHERE),
                **{
                    f"Persons for power {target:g} (95 % interval)": [
                        _persons(row, first, last) for row in table[table["target"] == target].itertuples()
                    ]
                    for target in found.targets
                },
            }
        )
        tables["Smallest size that reaches a power"] = rows.head(MOST_ROWS)
    assured = _assured(found)
    if assured is not None:
        tables["Smallest simulated size whose assurance reaches a target"] = assured.head(MOST_ROWS)
    if not tables:
        return None
    return Section(
        "How many persons",
        (),
        tables,
        note="Of a fitted curve: probit of the power linear in the square root of the size and not falling, posterior "
        "median with 95 % equal-tailed interval. “More than” the largest size simulated: not reached within the grid; "
        "nothing is said of sizes beyond. Assurance has no curve: of the sizes simulated, the smallest whose share "
        "reaches the target.",
    )


def _persons(row: Any, first: float, last: float) -> str:
    def edge(value: float) -> str:
        if value == -np.inf:
            return f"{first:,.0f} or fewer"
        return f"more than {last:,.0f}" if value == np.inf else f"{value:,.0f}"

    if row.lower == row.upper:
        return edge(row.persons)
    return f"{edge(row.persons)} ({edge(row.lower)} to {edge(row.upper)})"


def _assured(found: PlannedTrial) -> pd.DataFrame | None:
    own = found.table[found.table["measure"] == "assurance"]
    if own.empty or own["persons"].nunique() < 2:
        return None
    where, reached = [], []
    for key, each in own.groupby(["endpoint", *WHERE], sort=False, dropna=False):
        where.append(dict(zip(["endpoint", *WHERE], key, strict=True)))
        reached.append([_first_reached(each.sort_values("persons"), target) for target in found.targets])
    table = pd.DataFrame(where)
    names = [f"Persons for assurance {target:g}: its share (95 % limits)" for target in found.targets]
    columns = dict(zip(names, zip(*reached, strict=True), strict=True))
    return pd.DataFrame({"Endpoint": table["endpoint"], **_coordinates(found, table, WHERE), **columns})


def _first_reached(table: pd.DataFrame, target: float) -> str:
    """The smallest size whose share reaches a target."""
    for row in table.itertuples():
        if row.share >= target:
            return f"{row.persons:,.0f}: {_share(row)}"
    return "does not exist within the grid"


def _endpoint(found: PlannedTrial, name: str, pictures: Mapping[str, Any]) -> Section | None:
    endpoint = next(each for each in found.plan.endpoints if each.name == name)
    table = found.table[found.table["endpoint"] == name]
    if table.empty:
        return None
    after = endpoint.weeks_after
    when = "at the end of the period" + (f" plus {after} weeks" if after else "")
    contrast = found.plan.cells[0].contrast
    good = f"{'+' if endpoint.sign > 0 else '−'} favours {contrast.split(' - ')[0]}"
    prior = f"; {endpoint.prior}, {endpoint.who_left}" if found.plan.model is None else ""
    said = [
        f"Difference {contrast} in {endpoint.outcome} {when}, {endpoint.unit} ({good}). Success: P(the difference "
        f"favours) > {endpoint.probability:g}"
        + (f", beyond {endpoint.beyond:g}" if endpoint.beyond else "")
        + f". {found.analysis}{prior}."
    ]
    if after and not _parallel(found.plan):
        trial, week = found.plan.cells[0].design.trial, found.plan.cells[0].period_weeks + after
        if week > trial.start_groups[-1].drug_start_week:
            said.append("By then everyone has started the drug: early against delayed start.")
        else:
            said.append("Before the first dose of the delayed start: as randomised.")
    rows = pd.DataFrame(
        {
            **_coordinates(found, table, list(AXES)),
            "Measure": table["measure"],
            "Share (95 % limits)": [_share(row) for row in table.itertuples()],
            "True difference": [cell(value) for value in table["difference"]],
            "Mean estimate": [cell(value) for value in table["estimate"]],
            "Interval width": [cell(value) for value in table["width"]],
            "Persons analysed": [cell(round(value, 1)) for value in table["analysed"]],
        }
    )
    more = f" The first {MOST_ROWS} of {len(rows)} cells; cells.csv has all." if len(rows) > MOST_ROWS else ""
    return Section(
        f"{name}: power and precision",
        said,
        {f"Cells of the grid: {name}": rows.head(MOST_ROWS)},
        list(pictures.values()),
        note="Power: the true difference favours. Type I error: it does not. Assurance: effects drawn from the prior "
        "for each trial. True differences are of everyone as if alive and followed; persons analysed are those from "
        f"whom the endpoint could be had.{more}",
    )


def _looks(found: PlannedTrial) -> Section | None:
    table, interim = found.looks, found.plan.interim
    if table is None or interim is None:
        return None
    fractions = [f"{fraction:g}" for fraction in interim.fractions]
    share = [_share(row) for row in table.itertuples()]
    rows = {
        **_coordinates(found, table, list(AXES)),
        "Measure": table["measure"],
        "Success (95 % limits)": share,
        "Without looks": [f"{value:.3f}" for value in table["share_without_looks"]],
        "Futility not acted upon": [f"{value:.3f}" for value in table["success_without_futility"]],
    }
    for kind in ("success", "futility"):
        for fraction in fractions:
            rows[f"Stopped for {kind} at {fraction}"] = [f"{value:.3f}" for value in table[f"{kind}_at_{fraction}"]]
    rows["Expected persons"] = [cell(round(value, 1)) for value in table["expected_persons"]]
    rows["Expected months"] = [cell(round(value, 1)) for value in table["expected_months"]]
    other = f" of {interim.futility_of}" if interim.futility_of not in (None, interim.endpoint) else ""
    what = "predictive probability of success at the end" if interim.futility_by == "predictive" else "probability"
    rules = {"success where P >": interim.success, f"futility where the {what}{other} <": interim.futility}
    said = [
        f"At {fraction} of the persons: {', '.join(f'{rule} {at[k]:g}' for rule, at in rules.items() if at)}."
        for k, fraction in enumerate(fractions)
    ]
    who, causes = "; it analyses those", "one group only, or too few persons"
    end = "looks for success add to its error. The predictive probability takes the variance as known."
    if found.plan.model is not None:
        who = (
            ". The model is fitted to all that is known by then: of everybody randomised, visits and exits so far; the "
            "final analysis is after the last week of any endpoint"
        )
        causes, end = "reasons are further down", "looks for success add to its error."
    if found.looks_not_analysed:
        said.append(f"{found.looks_not_analysed:,} analyses at looks could not be made ({causes}); they stop nothing.")
    return Section(
        f"Interim looks at {interim.endpoint}",
        said,
        {"What the looks do": pd.DataFrame(rows).head(MOST_ROWS)},
        note="A look takes place when that share of the persons, in the order in which they entered, has reached the "
        f"endpoint{who}. Persons: randomised by the day the trial stops, those still on their way included. Months: "
        "from the first person's entry. Where the true difference does not favour, success is the type I error. The "
        f"final analysis keeps the endpoint's own threshold: {end}",
    )


def _programmes(found: PlannedTrial, pictures: Mapping[str, Any]) -> Section | None:
    verdicts = found.programmes
    if verdicts is None or verdicts.rows.empty:
        return None
    asked = verdicts.programmes
    table = verdicts.supported
    rows = pd.DataFrame(
        {
            "True correlation": [fixed(value, 2) for value in table["correlation"]],
            "Programmes": table["programmes"],
            "Collections": table["collections"],
            "Called supported (95 % limits)": [_share(row) for row in table.itertuples()],
        }
    )
    bad = int((~verdicts.rows["converged"].astype(bool)).sum())
    se = asked.truth(0.0).standard_errors(asked.patients_per_arm)
    return Section(
        "The trial level as programmes accumulate",
        [
            "How often would the trial level be called supported, if the true correlation of effects were as stated? "
            "This is the third rung; no single trial, and none planned here, can answer it.",
            f"True effects on NfL and function: means {asked.mean[0]:g} ln and {asked.mean[1]:g} points a month, SDs "
            f"{asked.sd[0]:g} and {asked.sd[1]:g} between programmes; standard errors {se[0]:.2f} and {se[1]:.2f} "
            f"({asked.patients_per_arm} patients an arm).",
        ],
        {"Verdict “supported”": rows},
        list(pictures.values()),
        note="A correlation above 0: better effects on the surrogate go with better effects on the outcome. Supported "
        "needs 10 programmes, a lower 95 % limit of |rho| of .85 and the right direction (defaults of the trial-level "
        f"verdict). {bad:,} of {len(verdicts.rows):,} fits did not converge and count as not assessable.",
    )


def _assumptions(found: PlannedTrial) -> Section:
    plan = found.plan
    trial = plan.cells[0].design.trial
    first, reference = trial.start_groups
    truth = plan.cells[0].truth
    late = "never starts the drug"
    if not _parallel(plan):
        weeks = plan.cells[0].design.trial.start_groups[-1].drug_start_week - plan.cells[0].period_weeks
        late = f"starts the drug {weeks:g} weeks after the period's end"
    lines = [
        f"Persons are randomised {first.persons} to {reference.persons} to {first.name} and {reference.name}; "
        f"{reference.name} {late}. They enter evenly over {trial.entry_months:g} months; {trial.missed_visits:.0%} of "
        "visits are missed.".replace("%", " %"),
        "The generator is calibrated to VALOR's published means and is not a model of the package; an effect on "
        "function follows the drop of NfL. NfL ratio: on the drug to off it, at the plateau. Decline removed: share of "
        "the trial's mean decline, at the plateau.",
        "Deaths, permanent ventilation and withdrawals end follow-up." if truth.exits else "Nobody dies or leaves.",
    ]
    if plan.model is None:
        lines.append(
            "The fast analysis has the value at randomisation and the stratum as covariates and does not model who "
            "leaves: where those who do worse leave, and the drug keeps them longer, persons left out bias the "
            "difference towards none (mean estimate beside the true difference). A model that uses every visit may be "
            "more precise."
        )
    if plan.assurance is not None:
        lines += [_prior_said(plan.assurance, name) for name in plan.assurance.names]
        if found.drawn_again:
            drawn = found.drawn + found.drawn_again
            lines.append(
                f"{found.drawn_again:,} of {drawn:,} draws of the effects ({100 * found.drawn_again / drawn:.2g} %) "
                f"are of a drug that the generator does not have (no elasticity from {ELASTICITIES[0]:g} to "
                f"{ELASTICITIES[1]:g} removes that share of the decline with that drop of NfL) and were drawn again: "
                "the prior is the distribution within."
            )
    return Section("What is assumed", lines)


def _prior_said(assurance: EffectPrior, name: str) -> str:
    low, high = LIMITS[name]
    outside = assurance.outside(name)
    cut = f"; {100 * outside:.2g} % of it lies outside {low:g} to {high:g} and is cut off" if outside > 5e-4 else ""
    return f"Prior of {name}: {getattr(assurance, name)}{cut}."


def _computation(found: PlannedTrial) -> Section:
    n, fits = found.computation, found.fits
    done = fits[fits["status"] == "ok"]
    facts: dict[str, Any] = {
        "Simulated trials": n["trials"], "Failed": n["failed"],
        **{f"Fits with verdict {name}": count for name, count in n["verdicts"].items()},
        "CPU seconds in all": n["cpu_seconds"], "of these, compiling": n["compile_cpu_seconds"],
        "CPU seconds a trial, mean": float((done["cpu_seconds"] - done["compile_seconds"].fillna(0)).mean()),
    }  # fmt: skip
    at_looks = found.fits_at_looks
    if len(at_looks):
        verdicts = at_looks["verdict"].value_counts().items()
        facts |= {"Fits at interim looks": len(at_looks)}
        facts |= {f"Fits at looks with verdict {name}": count for name, count in verdicts}
        facts |= {"of these, compiled anew": int(at_looks["compiled"].fillna(False).sum())}
    if found.plan.model is not None and len(done):
        good = int((done["verdict"] != "not_converged").sum())
        lower, upper = binomial_limits(good, len(done))
        facts["Converged (95 % limits)"] = f"{good / len(done):.3f} ({lower:.3f} to {upper:.3f})"
    if found.programmes is not None:
        facts["CPU seconds of collections"] = float(found.programmes.rows["cpu_seconds"].sum())
    tables = {"Computation": pd.DataFrame(facts.items(), columns=["What", "Number"])}
    failed = fits[fits["status"] == "failed"]
    if len(failed):
        tables["Failed trials"] = failed["why"].value_counts().head(40).rename_axis("Why").reset_index(name="Trials")
    looks = found.rows[(found.rows["kind"] == "look") & found.rows["why"].notna()].drop_duplicates(["fit", "look"])
    if len(looks):
        reasons = looks["why"].value_counts().head(40)
        tables["Interim looks not analysed"] = reasons.rename_axis("Why").reset_index(name="Looks")
    return Section("Computation", tables=tables)


def _facts(facts: Mapping[str, Any]) -> Section:
    told = {key: facts[key] for key in ("digest", "seed", "engine", "interval", "planned")}
    told |= {key: json.dumps(value) for key, value in facts["plan"].items()}
    told["versions"] = json.dumps(versions())
    rows = pd.DataFrame([(name, str(value)) for name, value in told.items()], columns=["What", "Value"])
    return Section("Plan", tables={"This design": rows}, collapsed=True)
