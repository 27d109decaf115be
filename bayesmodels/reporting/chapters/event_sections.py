"""Sections of a report's page about events and follow-up: survival, estimands side by side, associations, hazards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from bayesmodels.posterior.context import stratum_label
from bayesmodels.posterior.estimand import OPEN_LABEL
from bayesmodels.posterior.wording import chance, chance_of, estimate, places
from bayesmodels.reporting.chapters.dropout import dropout_section
from bayesmodels.reporting.chapters.effects import how_learned
from bayesmodels.reporting.chapters.estimand_table import (
    COMPOSITE,
    LIVING,
    MEANING,
    NOBODY_DIED,
    RMST,
    STRATEGY,
    SURVIVAL,
    TREATMENT,
    WINS,
)
from bayesmodels.reporting.chapters.prediction import prediction_section
from bayesmodels.reporting.chapters.ranks import rank_section
from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.findings import Findings
from bayesmodels.reporting.page import Picture, Section

TITLES = {
    NOBODY_DIED: "Had nobody died",
    LIVING: "Among the living",
    COMPOSITE: "Composite: death as the worst value",
    WINS: "Win probability",
    SURVIVAL: "Difference in survival",
    RMST: "Difference in restricted mean survival, months",
}
"""Estimands as columns."""

ENTERED_LATE = (
    "Persons who entered after randomisation: {n}. The model counts them from then on and takes their own levels and "
    "rates to be like everyone's: where those who decline faster die sooner and many entered late, survivors pass for "
    "the population. The data's curves of a group begin at its first entry, given no event until then, and end where "
    "nobody is at risk before others enter."
)


def follow_up_sections(findings: Findings, figures: LazyFigures) -> Iterator[Section]:
    """What ends follow-up, and what that does to comparisons: the sections this posterior has the variables for.

    Those of dropout and of ranks are there for a model without events too, where they were asked for.
    """
    tables, label = findings.tables, findings.settings.interval_label
    prob = findings.settings.interval
    if "event_curves" in findings.tree.children:
        yield survival_section(findings, figures)
    if "estimands" in tables:
        yield estimand_section(findings)
    if "associations" in tables:
        yield association_section(findings)
    if "hazard_effects" in tables:
        yield hazard_section(findings)
    if "dropout_strategies" in tables:
        yield dropout_section(findings.tree, findings.context, tables, figures, label)
    if "rank_analyses" in tables:
        yield rank_section(findings.tree, findings.context, tables["rank_analyses"], figures, prob)
    if "prediction_accuracy" in tables or "prediction_calibration" in tables:
        yield prediction_section(findings.tree, tables, figures, label)


def survival_section(findings: Findings, figures: LazyFigures) -> Section:
    """Survival and cumulative incidence with the data's."""
    context, label = findings.context, findings.settings.interval_label
    switch = "" if context.switch_week is None else f" After week {context.switch_week:g}: {OPEN_LABEL}."
    data = findings.tree.children.get("event_data")
    about = {} if data is None else data.attrs
    limits = str(about.get("interval", "confidence limits of a level that is not recorded"))
    pictures = []
    for name in figures:
        if name.startswith("survival_"):
            who = stratum_label(name.removeprefix("survival_"))
            alt = f"Survival over weeks by start group, {who}, with Kaplan-Meier."
            caption = f"Median and {label}. Steps or markers: Kaplan-Meier, {limits}.{switch}"
            pictures.append(Picture(figures.maker(name), alt, caption))
        elif name.startswith("incidence_"):
            which = name.removeprefix("incidence_").replace("_", " ")
            alt = f"Cumulative incidence over weeks by start group, {which}, with Aalen-Johansen."
            caption = f"Median and {label}, all events competing. Steps or markers: Aalen-Johansen.{switch}"
            pictures.append(Picture(figures.maker(name), alt, caption))
    shown = {}
    if "event_counts" in findings.tables:
        counts = findings.tables["event_counts"]
        wide = counts.pivot_table(index=["start_group", "stratum"], columns="event", values="events", sort=False)
        wide = wide.reset_index().rename(columns={"start_group": "Start group", "stratum": "Stratum"})
        wide["Stratum"] = [stratum_label(str(s)) for s in wide["Stratum"]]
        shown["Persons who had each event"] = wide.rename_axis(columns=None)
    late = int(about.get("entered_late", 0))
    return Section(
        "Survival and other events",
        [
            "Survival is without a terminal event, had nobody withdrawn. Cumulative incidence is of an event while all "
            "events compete, as it happened.",
            *([ENTERED_LATE.format(n=late)] if late else []),
        ],
        shown,
        pictures,
        "Model and data part where the hazards' shapes do not fit, and in survival where leaving depends on the "
        "course: Kaplan-Meier takes it for independent. All curves are in tables/event_curves.csv.",
    )


def association_section(findings: Findings) -> Section:
    """What of the course goes with events."""
    context, label = findings.context, findings.settings.interval_label
    rows = [
        {
            "Event": row["event"],
            "Step": row["per"],
            f"Hazard ratio ({label})": estimate(row["hazard_ratio"], row["ratio_lower"], row["ratio_upper"]),
            "P(the worse, the more events)": chance(row["probability_harmful"]),
            f"Log hazard ratio per unit ({label})": estimate(row["median"], row["lower"], row["upper"]),
            "Unit": row["unit"].removeprefix("log hazard ratio "),
            "Posterior / prior width": "–"
            if pd.isna(row["width_ratio"])
            else f"{row['width_ratio']:.2f}: {how_learned(row['width_ratio'])}",
        }
        for row in findings.tables["associations"].sort_values("event", key=places, kind="stable").to_dict("records")
    ]
    bad = [
        f"{outcome.label}: {'lower' if outcome.sign > 0 else 'higher'} is worse"
        for outcome in context.outcomes.values()
        if outcome.good_direction
    ]
    return Section(
        "What of the course goes with events",
        [
            "Hazard ratios are per step towards the worse: above 1, the worse a person is the more events. "
            f"{'; '.join(bad)}. An association is not an effect: changing the outcome need not change the hazard."
        ],
        {f"Associations of the error-free course with the hazards: median and {label}": pd.DataFrame(rows)},
    )


def hazard_section(findings: Findings) -> Section:
    """Hazard ratios of covariates, start groups, strata and the drug."""
    label = findings.settings.interval_label
    rows = [
        {
            "Event": row["event"],
            "Of": row["hazard_covariate"].replace("_", " "),
            "Against": row["unit"].removeprefix("log hazard ratio "),
            f"Hazard ratio ({label})": estimate(row["hazard_ratio"], row["ratio_lower"], row["ratio_upper"]),
            "P(ratio below 1)": chance(row["probability_below_one"]),
            "Direction": row["direction"],
        }
        for row in findings.tables["hazard_effects"].to_dict("records")
    ]
    between_groups = any(row["Of"].startswith("start group") for row in rows)
    switch = findings.context.switch_week
    return Section(
        "Hazard ratios of covariates and start groups",
        [
            "Cause-specific hazard ratios, given the associations with the course: of a start group, what is left "
            "beside the drug's effect by way of the course."
        ],
        {f"Hazard ratios: median and {label}": pd.DataFrame(rows)},
        (),
        f"Start groups after week {switch:g}: {OPEN_LABEL}." if between_groups and switch is not None else "",
    )


def estimand_section(findings: Findings) -> Section:
    """The same comparison under several estimands."""
    label, table = findings.settings.interval_label, findings.tables["estimands"]
    shown: dict[str, pd.DataFrame] = {}
    of_outcome, of_survival = table[table["outcome"] != ""], table[table["outcome"] == ""]
    if len(of_outcome):
        shown[f"Outcomes: median, {label}, and probability that it favours the earlier start"] = _side_by_side(
            findings, of_outcome
        )
    if len(of_survival):
        shown[f"Survival: median, {label}, and probability that it favours the earlier start"] = _side_by_side(
            findings, of_survival
        )
    used = [name for name in MEANING if name in set(table["estimand"])]
    shown["What each means, and does not"] = pd.DataFrame(
        {
            "Estimand": [TITLES[name] for name in used],
            "Strategy for death": [STRATEGY[name] for name in used],
            "It is": [MEANING[name][0] for name in used],
            "It is not": [MEANING[name][1] for name in used],
        }
    )
    switch = findings.context.switch_week
    note = f"Group minus reference group. Which sign favours whom stands before each probability. {TREATMENT}"
    if switch is not None:
        note += f" After week {switch:g}: {OPEN_LABEL}."
    reasons = [text for text in dict.fromkeys(table["withheld"]) if text.startswith("withheld")]
    return Section(
        "Estimands side by side",
        ["Death can be treated in several ways, and each answers another question. None is the right one for all."],
        shown,
        (),
        " ".join([note, *(f"Probabilities {reason}." for reason in reasons)]),
    )


def _side_by_side(findings: Findings, table: pd.DataFrame) -> pd.DataFrame:
    """One row an outcome, contrast, stratum and week; one column an estimand."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in table.itertuples():
        key = (row.outcome, row.contrast, row.stratum, row.week)
        outcome = findings.context.outcomes.get(row.outcome)
        named = f"{outcome.label}, {outcome.unit}" if outcome else "Survival"
        found = rows.setdefault(
            key,
            {
                "Outcome": named,
                "Contrast": f"{row.contrast.replace(' - ', ' minus ')}, {stratum_label(row.stratum)}",
                "Week": row.week,
            },
        )
        chances = chance_of(row.probability_favours, row.direction)
        found[TITLES[row.estimand]] = "; ".join(t for t in (estimate(row.median, row.lower, row.upper), chances) if t)
    shown = pd.DataFrame(list(rows.values())).fillna("–")
    estimands = [title for title in TITLES.values() if title in shown]
    return shown[["Outcome", "Contrast", "Week", *estimands]]
