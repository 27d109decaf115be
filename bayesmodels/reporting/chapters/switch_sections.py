"""Sections of a report's page about start groups compared: differences, persistence, slopes, time saved."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from bayesmodels.posterior.context import FitContext, stratum_label
from bayesmodels.posterior.estimand import OPEN_LABEL, all_persons
from bayesmodels.posterior.monte_carlo import ERROR, shown_with_errors
from bayesmodels.posterior.wording import chance, chance_of, estimate, percents, places, weeks_saved
from bayesmodels.reporting.chapters.after_switch import SETTLED, WEEKS_AFTER_SWITCH
from bayesmodels.reporting.chapters.sections import split_name
from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.findings import Findings
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.reporting.settings import ReportSettings

_POINTS = {
    "delta_1": "before the switch (Delta_1)",
    "well_observed": "half of each group observed",
    "delta_2": "last visit in both groups (Delta_2)",
}


def difference_section(findings: Findings, figures: LazyFigures) -> Section:
    """Delta_1, Delta_2 and the last well observed week, with estimand and persons still observed on every row."""
    context, settings = findings.context, findings.settings
    rows = []
    for row in findings.tables["deltas"].to_dict("records"):
        outcome = context.outcomes[row["outcome"]]
        numbers = (row["median"], row["lower"], row["upper"])
        shown = {
            **_labels(context, row),
            "When": f"week {row['week']:g}, {_point(row['point'], settings)}",
            f"Difference ({settings.interval_label})": estimate(*numbers),
            "Unit": outcome.unit,
            "In percent": percents(*numbers) if outcome.scale == "log" else "",
            "P(favours the earlier start)": _chance(row),
        }
        if settings.important_difference:
            important = settings.important_difference.get(outcome.name)
            shown["P(by more than the important difference)"] = (
                f"> {important:g} {outcome.unit}: {chance(row['probability_important'])}" if important else "–"
            )
        groups = next(c.groups for c in context.contrasts if c.label == row["contrast"])
        shown["Still observed"] = _counts(groups, row)
        shown["Comparison"] = row["estimand"].removeprefix(f"{all_persons(context)}; ")
        rows.append(shown)
    pictures = []
    for name in figures:
        if name.startswith("difference_"):
            outcome, rest = split_name(name, "difference", findings)
            pictures.append(
                Picture(
                    figures.maker(name),
                    f"Difference between start groups in mean {outcome.label} over weeks, {rest}, with interval and "
                    "zero line.",
                    f"Median and {settings.interval_label}. {_after(context)} Dashed past the last week at which half "
                    "of each group is observed.",
                )
            )
    return Section(
        "Start groups compared",
        [
            f"Before the switch the comparison is as randomised. {_after(context)}",
            "Delta_1 is at the last curve week up to the switch; Delta_2 at the last visit at which both groups have "
            "data. Where fewer than half of either group are still observed the probability is withheld.",
        ],
        {
            f"Differences at chosen weeks: median and {settings.interval_label}, raw": pd.DataFrame(
                shown_with_errors(rows, findings.tables["deltas"][ERROR], "Difference")
            )
        },
        pictures,
        f"Estimand of every row: {all_persons(context)}. Which sign of the raw difference favours whom stands before "
        "the probability. Differences at every curve week are in tables/differences.csv and summary.json.",
    )


def persistence_section(findings: Findings) -> Section:
    """Whether the early advantage is kept, closing, and what time it saved."""
    context, settings = findings.context, findings.settings
    tables: dict[str, pd.DataFrame] = {}
    if "persistence" in findings.tables:
        tables["Is the earlier start's advantage kept? Posterior probability (prior probability)"] = _persistence(
            findings
        )
    if "parallel" in findings.tables:
        caption = f"Parallel, catching up or widening: change of the raw difference ({settings.interval_label})"
        rows = [_parallel_row(context, row) for row in findings.tables["parallel"].to_dict("records")]
        tables[caption] = pd.DataFrame(rows)
    if "time_saved" in findings.tables:
        rows = [
            {
                **_labels(context, row),
                "Week": row["week"],
                f"Weeks saved ({settings.interval_label})": f"{weeks_saved(row['median'])} "
                f"({weeks_saved(row['lower'])} to {weeks_saved(row['upper'])})",
                "Not reached": f"{100 * row['not_reached']:.0f} % of draws",
                "Course": row["course"],
                "Well observed": "no" if row["withheld"] else "yes",
            }
            for row in findings.tables["time_saved"].to_dict("records")
        ]
        tables["Time saved: weeks by which the later start had fallen to the earlier start's value sooner"] = (
            pd.DataFrame(rows)
        )
    return Section(
        "Does the difference last?",
        [
            f"{_after(context)} Parallel curves without catching up are the pattern of disease modification; catching "
            "up is that of a symptomatic effect. The pattern is judged only where each start group has its own effect; "
            "otherwise the model implies it. It is called at a posterior probability of "
            f"{SETTLED:g} inside a margin declared beforehand ([report] margins), from the week at which the later "
            f"start's effect is established (switch + lag + 3 time constants, at least {WEEKS_AFTER_SWITCH:g} weeks).",
        ],
        tables,
        (),
        "Δ1, Δ2: differences at weeks 1 and 2 in the direction of the earlier start. Time saved at week w: w minus the "
        "first week at which the later start's curve reaches the earlier start's value at w. On an improving course a "
        "negative number says how many weeks later it gets there. Draws in which it is not reached count as the "
        f"lowest. Estimand: {all_persons(context)}.",
    )


def _persistence(findings: Findings) -> pd.DataFrame:
    """One row an outcome, stratum and pair of weeks; one column a statement."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in findings.tables["persistence"].to_dict("records"):
        labels = _labels(findings.context, row) | {"Weeks 1 and 2": f"{row['week_1']:g} and {row['week_2']:g}"}
        shown = rows.setdefault(tuple(labels.values()), labels)
        value = "withheld" if row["withheld"] else chance(row["probability"])
        statement = row["statement"].replace("Delta_", "Δ").replace("> 0 and", "> 0,")
        shown[f"P({statement})"] = f"{value} ({chance(row['prior_probability'])})"
    return pd.DataFrame(list(rows.values()))


def period_section(findings: Findings) -> Section:
    """Average rates per start group and period."""
    context, label = findings.context, findings.settings.interval_label
    table = findings.tables["period_rates"].sort_values(["outcome", "stratum", "period"], key=places, kind="stable")
    periods = {"before_switch": "before the switch", "after_switch": "after the switch", "last_year": "last year"}
    rows = [
        {
            "Outcome": f"{context.outcomes[row['outcome']].label}, {stratum_label(row['stratum'])}",
            "Period": periods.get(row["period"], row["period"]),
            "Start group": row["start_group"] or row["contrast"].replace(" - ", " minus "),
            f"Average rate ({label})": estimate(row["median"], row["lower"], row["upper"]),
            "Unit": row["unit"],
            "P(favours the earlier start)": (_chance(row) if row["contrast"] else ""),
        }
        for row in table.to_dict("records")
    ]
    return Section(
        "Average rates by period",
        (),
        {f"Median and {label} per month": pd.DataFrame(shown_with_errors(rows, table[ERROR], "Average rate"))},
        (),
        f"Average change of the mean curve from the period's first to its last week; {all_persons(context)}. "
        f"{_after(context)}",
    )


def _parallel_row(context: FitContext, row: dict[str, Any]) -> dict[str, Any]:
    judged = not math.isnan(row.get("rate_median", math.nan))
    patterns = {"parallel": "Parallel", "catching_up": "Catching up", "widening": "Widening"}
    return {
        **_labels(context, row),
        "Weeks": f"{row['from_week']:g} to {row['to_week']:g}" if judged else "–",
        "Per month": estimate(row["rate_median"], row["rate_lower"], row["rate_upper"]) if judged else "–",
        "Unit": row["unit"],
        "Margin": "no margin declared" if math.isnan(row["margin"]) else f"± {row['margin']:g}",
        **{
            f"P({name.lower()}), prior": f"{chance(row.get(f'probability_{key}', math.nan))}, "
            f"{chance(row.get(f'prior_probability_{key}', math.nan))}"
            for key, name in patterns.items()
        },
        "Verdict": row["verdict"],
    }


def _point(point: str, settings: ReportSettings) -> str:
    declared = point == "delta_2" and settings.end_week is not None
    return "declared end (Delta_2)" if declared else _POINTS[point]


def _chance(row: dict[str, Any]) -> str:
    """The probability, or that it is withheld; the reason is in the section's text and in the CSV."""
    if row["withheld"].startswith("withheld"):
        return "withheld"
    return row["withheld"] or chance_of(row["probability_favours"], row["direction"])


def _labels(context: FitContext, row: dict[str, Any]) -> dict[str, str]:
    labels = {"Outcome": f"{context.outcomes[row['outcome']].label}, {stratum_label(row['stratum'])}"}
    if len(context.contrasts) > 1:
        labels["Contrast"] = row["contrast"].replace(" - ", " minus ")
    return labels


def _counts(groups: tuple[str, str], row: dict[str, Any]) -> str:
    if math.isnan(row["observed_group"]):
        return "not recorded"
    return f"{groups[0]} {row['observed_group']:.0f}, {groups[1]} {row['observed_reference']:.0f}"


def _after(context: FitContext) -> str:
    if context.switch_week is None:
        return "No start group switches to the drug."
    return f"After week {context.switch_week:g}: {all_persons(context)}; early against delayed start, {OPEN_LABEL}."
