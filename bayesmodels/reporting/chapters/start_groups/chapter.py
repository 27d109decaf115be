"""Start groups compared: differences, persistence, slopes, time saved."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.posterior.context import AS_RANDOMISED_BUT, Contrast, FitContext, Outcome, stratum_label
from bayesmodels.posterior.differences import differences
from bayesmodels.posterior.estimand import (
    CHANGES,
    FREE_BASELINE,
    NO_EFFECT_YET,
    OPEN_LABEL,
    WITHIN_LIMITS,
    all_persons,
)
from bayesmodels.posterior.intervals import flat, summarise
from bayesmodels.posterior.monte_carlo import ERROR, error_in_brackets, shown_with_errors
from bayesmodels.posterior.wording import as_percent, chance, difference, estimate, percents, signed, weeks_saved
from bayesmodels.reporting.chapter import Chapter, Layouts, LeadLines, Makers, Needs, Reading, Tables
from bayesmodels.reporting.chapters.start_groups.after_switch import (
    SETTLED,
    WEEKS_AFTER_SWITCH,
    parallel_table,
    time_saved_table,
)
from bayesmodels.reporting.chapters.start_groups.differences import (
    delta_table,
    difference_table,
    persistence_table,
    randomisation_table,
)
from bayesmodels.reporting.drawing import COLOURS, add_title, median_and_band, new_panel, no_difference, week_axis
from bayesmodels.reporting.first_screen import LEARNED
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Picture, Section, chance_or_why
from bayesmodels.vocabulary import ALL

_POINTS = {
    "delta_1": "before the switch (Delta_1)",
    "well_observed": "half of each group observed",
    "delta_2": "last visit in both groups (Delta_2)",
}


class StartGroups(Chapter):
    """Differences between start groups, and whether they last."""

    name = "delayed start"
    needs = Needs(("difference",))
    shows = "deltas"

    def tables(self, reading: Reading) -> Tables:
        """`differences`, `deltas`, `persistence`, `parallel`, `time_saved`; `at_randomisation` (free baseline)."""
        return {
            "differences": difference_table(reading),
            "deltas": delta_table(reading),
            "persistence": persistence_table(reading),
            "parallel": parallel_table(reading),
            "time_saved": time_saved_table(reading),
            "at_randomisation": randomisation_table(reading),
        }

    def layouts(self, reading: Reading) -> Layouts:
        """All are of differences, rates or weeks; `observed_*` are of persons."""
        seen = {f"observed_{side}": Statistic("n", of=f"observed_{side}") for side in ("group", "reference")}
        difference = Layout("difference", columns=seen)
        return {
            "differences": difference,
            "deltas": difference,
            "persistence": Layout("difference", keys=("share", "week_1", "week_2")),
            "parallel": Layout("rate", keys=("from_week", "to_week", "margin")),
            "time_saved": Layout(columns={"not_reached": Statistic("prob", event="not reached")}),
            "at_randomisation": difference,
        }

    def figures(self, reading: Reading) -> Makers:
        """``difference_<outcome>_<stratum>``, with the group where there are several contrasts."""
        return {name: partial(difference_figure, reading, o, c, s) for name, o, c, s in _cells(reading)}

    def section(self, reading: Reading) -> Iterator[Section]:
        """Differences at chosen weeks, then what becomes of them; with a free baseline also what differed at week 0."""
        yield _difference_section(reading)
        if "at_randomisation" in reading.tables:
            yield _randomisation_section(reading)
        if {"persistence", "parallel", "time_saved"} & set(reading.tables):
            yield _persistence_section(reading)

    def lead(self, reading: Reading) -> LeadLines:
        """Differences at chosen weeks, by whether they are identified."""
        known: list[str] = []
        unknown: list[str] = []
        for row in _headline_rows(reading):
            identified = (row["lower"] > 0 or row["upper"] < 0) and row["width_ratio"] < LEARNED
            (known if identified else unknown).append(_line(reading, row))
        return LeadLines(known, unknown)


def difference_figure(reading: Reading, outcome: Outcome, contrast: Contrast, stratum: str) -> Figure:
    """Difference between two start groups over weeks, with the sides that favour either named."""
    figure, axes = new_panel(height=3.1)
    where = {"outcome": outcome.name, "contrast": contrast.label, "stratum": stratum}
    draws = differences(reading.tree, reading.context).sel(where).transpose("week", ...)
    weeks = draws["week"].to_numpy().astype(float)
    last = reading.observed.last_well_observed(outcome.name, contrast.groups, stratum)
    median_and_band(axes, weeks, summarise(flat(draws), reading.prob), COLOURS[3], last)
    no_difference(axes)
    week_axis(axes, weeks, contrast.switch_week, labelled=True)
    change = "\nchange since randomisation, " if reading.context.free_baseline else ", "
    axes.set_ylabel(f"{contrast.group} minus {contrast.reference}{change}{outcome.unit}")
    add_title(axes, f"{outcome.label}: {stratum_label(stratum)}")
    axes.margins(y=0.15)
    sign = contrast.sign(outcome)
    if not math.isnan(sign):
        up, down = (contrast.early, contrast.late) if sign > 0 else (contrast.late, contrast.early)
        for y, align, text in ((0.99, "top", f"↑ favours {up}"), (0.01, "bottom", f"↓ favours {down}")):
            axes.text(0.99, y, text, transform=axes.transAxes, ha="right", va=align, fontsize=8.5, color="#333333")
    return figure


def _cells(reading: Reading) -> Iterator[tuple[str, Outcome, Contrast, str]]:
    """Name of the figure, outcome, contrast and stratum of every difference; all persons first."""
    context = reading.context
    cells = reading.tables["deltas"][["outcome", "contrast", "stratum"]].drop_duplicates()
    by_label = {contrast.label: contrast for contrast in context.contrasts}
    for outcome in context.outcomes.values():
        own = cells[cells["outcome"] == outcome.name]
        for cell in sorted(own.itertuples(), key=lambda row: row.stratum != ALL):
            contrast = by_label[cell.contrast]
            end = f"_{contrast.group}" if len(context.contrasts) > 1 else ""
            yield f"difference_{outcome.name}_{cell.stratum}{end}", outcome, contrast, cell.stratum


def _difference_section(reading: Reading) -> Section:
    """Delta_1, Delta_2 and the last well observed week, with estimand and persons still observed on every row."""
    context, settings = reading.context, reading.settings
    rows = []
    for row in reading.tables["deltas"].to_dict("records"):
        outcome = context.outcomes[row["outcome"]]
        numbers = (row["median"], row["lower"], row["upper"])
        shown = {
            **_labels(context, row),
            "When": f"week {row['week']:g}, {_point(row['point'], reading)}",
            f"Difference ({settings.interval_label})": difference(*numbers),
            "Unit": outcome.unit,
            "In percent": percents(*numbers) if outcome.scale == "log" else "",
            f"P(favours {context.sides[0]})": chance_or_why(row),
        }
        if settings.important_difference:
            important = settings.important_difference.get(outcome.name)
            shown["P(by more than the important difference)"] = (
                f"> {important:g} {outcome.unit}: {chance(row['probability_important'])}" if important else "–"
            )
        if reading.publishes("latent_difference"):
            shown["Without limits (latent)"] = _latent(reading, row)
        groups = next(c.groups for c in context.contrasts if c.label == row["contrast"])
        shown["Still observed"] = _counts(groups, row)
        shown["Comparison"] = row["estimand"].removeprefix(f"{all_persons(context)}; ").removeprefix(f"{CHANGES}; ")
        rows.append(shown)
    pictures = [
        Picture(
            reading.figures.maker(name),
            f"Difference between {context.arm}s in mean {outcome.label} over weeks, "
            f"{name.removeprefix(f'difference_{outcome.name}_')}, with interval and zero line.",
            f"Median and {settings.interval_label}. {reading.comparison} Dashed past the last week at which half "
            "of each group is observed.",
        )
        for name, outcome, *_ in _cells(reading)
    ]
    switching = any(math.isfinite(contrast.switch_week) for contrast in context.contrasts)
    how = AS_RANDOMISED_BUT if context.borrows else "as randomised"
    before = f"Before the switch a comparison is {how}. " if switching else ""
    points = (
        "Delta_1 is at the last curve week up to the switch; Delta_2 at the last visit at which both groups have data. "
        if switching
        else ""
    )
    return Section(
        "Start groups compared" if context.staggered else "Active and control compared",
        [
            f"{before}{reading.comparison}",
            *([FREE_BASELINE] if context.free_baseline else []),
            *_within_limits(reading),
            f"{points}Where fewer than half of either group are still observed the probability is withheld.",
        ],
        {
            f"{'Differences of changes since randomisation' if context.free_baseline else 'Differences'} at chosen "
            f"weeks: median and {settings.interval_label}, raw": pd.DataFrame(
                shown_with_errors(rows, reading.tables["deltas"][ERROR], "Difference")
            )
        },
        pictures,
        f"Estimand of every row: {all_persons(context)}. Which sign of the raw difference favours whom stands before "
        "the probability. Differences at every curve week are in tables/differences.csv and summary.json.",
    )


def _within_limits(reading: Reading) -> list[str]:
    """What means of outcomes with limits are of, where the posterior has both."""
    if not reading.publishes("latent_difference"):
        return []
    there = reading.posterior("latent_difference").notnull().any(["chain", "draw", "contrast", "stratum", "week"])
    names = [reading.context.outcomes[str(name)].label for name in there["outcome"].values[there.to_numpy()]]
    return [WITHIN_LIMITS.format(names=" and ".join(names))] if names else []


def _latent(reading: Reading, row: dict[str, Any]) -> str:
    """Difference of latent means at a row's week; a dash for an outcome without limits."""
    where = {dim: row[dim] for dim in ("outcome", "contrast", "stratum", "week")}
    draws = flat(reading.posterior("latent_difference").sel(where))
    if not np.isfinite(draws).all():
        return "–"
    if reading.context.free_baseline:
        draws = draws - flat(reading.posterior("latent_difference").sel(where | {"week": 0.0}))
    numbers = summarise(draws, reading.prob)
    return difference(*(float(numbers[edge]) for edge in ("median", "lower", "upper")))


def _randomisation_section(reading: Reading) -> Section:
    """What differed at week 0 already, by chance or design: no effect."""
    context, label = reading.context, reading.label
    rows = [
        {
            **_labels(context, row),
            f"Difference at week 0 ({label})": difference(*(row[edge] for edge in ("median", "lower", "upper"))),
            "Unit": row["unit"],
        }
        for row in reading.tables["at_randomisation"].to_dict("records")
    ]
    return Section(
        "What differed at randomisation already",
        ["Raw difference of means at week 0, before any treatment: no effect of the drug. It is in no contrast above."],
        {f"Median and {label}": pd.DataFrame(rows)},
    )


def _persistence_section(reading: Reading) -> Section:
    """Whether the early advantage is kept, closing, and what time it saved."""
    context, settings = reading.context, reading.settings
    first, second = context.sides
    tables: dict[str, pd.DataFrame] = {}
    if "persistence" in reading.tables:
        tables["Is the earlier start's advantage kept? Posterior probability (prior probability)"] = _persistence(
            reading
        )
    if "parallel" in reading.tables:
        caption = f"Parallel, catching up or widening: change of the raw difference ({settings.interval_label})"
        rows = [_parallel_row(context, row) for row in reading.tables["parallel"].to_dict("records")]
        tables[caption] = pd.DataFrame(rows)
    if "time_saved" in reading.tables:
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
            for row in reading.tables["time_saved"].to_dict("records")
        ]
        change = "change since randomisation" if context.free_baseline else "value"
        tables[f"Time saved: weeks by which {second} had fallen to {first}'s {change} sooner"] = pd.DataFrame(rows)
    saved = (
        f"Time saved at week w: w minus the first week at which {second}'s curve reaches {first}'s value at w. On an "
        "improving course a negative number says how many weeks later it gets there. Draws in which it is not reached "
        f"count as the lowest. Estimand: {all_persons(context)}."
    )
    if not context.staggered:
        return Section("Time saved", [reading.comparison], tables, (), saved)
    return Section(
        "Does the difference last?",
        [
            f"{reading.comparison} Parallel curves without catching up are the pattern of disease modification; "
            "catching up is that of a symptomatic effect. The pattern is judged only where each start group has its "
            "own effect; otherwise the model implies it. It is called at a posterior probability of "
            f"{SETTLED:g} inside a margin declared beforehand ([report] margins), from the week at which the later "
            f"start's effect is established (switch + lag + 3 time constants, at least {WEEKS_AFTER_SWITCH:g} weeks).",
        ],
        tables,
        (),
        f"Δ1, Δ2: differences at weeks 1 and 2 in the direction of the earlier start. {saved}",
    )


def _persistence(reading: Reading) -> pd.DataFrame:
    """One row per outcome, stratum and pair of weeks; one column per statement."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in reading.tables["persistence"].to_dict("records"):
        labels = _labels(reading.context, row) | {"Weeks 1 and 2": f"{row['week_1']:g} and {row['week_2']:g}"}
        shown = rows.setdefault(tuple(labels.values()), labels)
        value = "withheld" if row["withheld"] else chance(row["probability"])
        statement = row["statement"].replace("Delta_", "Δ").replace("> 0 and", "> 0,")
        shown[f"P({statement})"] = f"{value} ({chance(row['prior_probability'])})"
    return pd.DataFrame(list(rows.values()))


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


def _point(point: str, reading: Reading) -> str:
    declared = point == "delta_2" and reading.settings.end_week is not None
    said = "declared end (Delta_2)" if declared else _POINTS[point]
    return said if reading.context.staggered else said.removesuffix(" (Delta_2)").replace("groups", "arms")


def _labels(context: FitContext, row: dict[str, Any]) -> dict[str, str]:
    labels = {"Outcome": f"{context.outcomes[row['outcome']].label}, {stratum_label(row['stratum'])}"}
    if len(context.contrasts) > 1:
        labels["Contrast"] = row["contrast"].replace(" - ", " minus ")
    return labels


def _counts(groups: tuple[str, str], row: dict[str, Any]) -> str:
    if math.isnan(row["observed_group"]):
        return "not recorded"
    return f"{groups[0]} {row['observed_group']:.0f}, {groups[1]} {row['observed_reference']:.0f}"


def _headline_rows(reading: Reading) -> list[dict[str, Any]]:
    """For the mixture (or the only stratum): Delta_1, and later weeks whose groups are still observed, each once."""
    table = reading.tables["deltas"]
    overall = table[table["stratum"] == ALL] if ALL in set(table["stratum"]) else table
    told = (overall["withheld"] == "") | overall["withheld"].str.startswith(NO_EFFECT_YET)
    chosen = overall[told].drop_duplicates(["outcome", "stratum", "contrast", "week"])
    return chosen.to_dict("records")


def _line(reading: Reading, row: dict[str, Any]) -> str:
    context = reading.context
    outcome = context.outcomes[row["outcome"]]
    contrast = next(c for c in context.contrasts if c.label == row["contrast"])
    numbers = (row["median"], row["lower"], row["upper"])
    said = [OPEN_LABEL] if row["week"] > contrast.switch_week else []
    said += [CHANGES] if context.free_baseline else []
    percent = as_percent(outcome, *numbers)
    probable = f"probability {chance(row['probability_favours'])} that it favours {contrast.early}"
    favoured = row["withheld"] or f"{signed(row['direction'])}, {probable}"
    zero = " The interval contains zero." if row["lower"] <= 0 <= row["upper"] and not row["withheld"] else ""
    return (
        f"{outcome.label}, {stratum_label(row['stratum'])}, {row['contrast'].replace(' - ', ' minus ')} at week "
        f"{row['week']:g}{f' ({"; ".join(said)})' if said else ''}: {difference(*numbers)} {outcome.unit}"
        f"{f', that is {percent}' if percent else ''}; {favoured}.{zero}{error_in_brackets(row[ERROR])}"
    )
