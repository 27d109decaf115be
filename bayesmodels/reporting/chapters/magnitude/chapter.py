"""What a reduction of the surrogate implies for the outcome, with every level of evidence on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from bayesmodels.posterior.wording import chance, estimate, fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, LeadLines, Makers, Reading, Tables
from bayesmodels.reporting.chapters.magnitude.figures import level_figure, trap_figure
from bayesmodels.reporting.chapters.magnitude.trap import traps_of
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.simulation.responder_trap import RANDOMISED, RESPONDERS, ResponderTrap
from bayesmodels.surrogacy.magnitude.result import NOT_ASKED, Implied, Level, Magnitude, ln_effect

OUTSIDE = "*"


class Magnitudes(Chapter):
    """What a reduction of the surrogate implies."""

    name = "magnitude"

    def tables(self, reading: Reading) -> Tables:
        """`magnitude`, `magnitude_sufficient`, and of NfL and ALSFRS-R `responder_trap`.

        `magnitude` has a column `context` beside those of `Magnitude.table`: "data" of reported effects.
        """
        found = reading.magnitude
        if found is None:
            return {}
        traps = [
            trap.table.assign(scenario=name, correlation=trap.correlation, surrogate_effect=trap.surrogate_effect,
                              responders=trap.share, reduction=trap.reduction)
            for name, trap in traps_of(reading)
        ]  # fmt: skip
        return {
            "magnitude": _with_context(found),
            "magnitude_sufficient": found.sufficient,
            "responder_trap": pd.concat(traps, ignore_index=True) if traps else pd.DataFrame(),
        }

    def layouts(self, reading: Reading) -> Layouts:
        """Limits are of the kind that each row says; the responder trap is simulated."""
        found, traps = reading.magnitude, traps_of(reading)
        if found is None:
            return {}
        layouts: dict[str, Layout | None] = {
            "magnitude": Layout(
                keys=("reduction",),
                left_out=("interval",),
                columns={
                    f"line_{edge}": Statistic(edge, of="line", interval=("eti", found.prob))
                    for edge in ("lower", "upper")
                },
                contexts="context",
                interval_kinds="interval_kind",
            ),
            "magnitude_sufficient": Layout(
                keys=("margin",),
                columns={
                    "probability": Statistic("value", of="probability asked for"),
                    "reduction": Statistic("estimate", of="smallest sufficient reduction", unit="fraction"),
                },
            ),
        }
        return layouts | ({"responder_trap": _trap_layout(traps[0][1])} if traps else {})

    def figures(self, reading: Reading) -> Makers:
        """``magnitude_<level>``, one a level and endpoint, and ``responder_trap``."""
        found = reading.magnitude
        if found is None:
            return {}
        makers: dict[str, Any] = {
            f"magnitude_{_file(level, found)}": partial(level_figure, found, level) for level in found.shown
        }
        traps = traps_of(reading)
        return makers | ({"responder_trap": partial(trap_figure, traps)} if traps else {})

    def section(self, reading: Reading) -> Iterator[Section]:
        """What reductions imply, and the responder trap."""
        found = reading.magnitude
        if found is None:
            yield from _why_not(reading)
            return
        yield _implied_section(reading, found)
        if "responder_trap" in reading.tables:
            yield _trap_section(reading)

    def lead(self, reading: Reading) -> LeadLines:
        """A line of the strongest level that gives a number; none of persons, whose association is no effect."""
        found = reading.magnitude
        of_effects = [] if found is None else [level for level in found.shown if level.name != "persons"]
        if found is None or not of_effects:
            return LeadLines()
        strongest = of_effects[0]
        supported = (
            reading.trials is not None
            and reading.trials.verdict.verdict == "supported"
            and strongest.sufficient[0].reduction is not None
            and not strongest.sufficient[0].extrapolated
        )
        line = f"What a reduction implies. {found.line(strongest)}"
        return LeadLines(identified=(line,)) if supported else LeadLines(not_identified=(line,))

    def summary(self, reading: Reading) -> Mapping[str, Any]:
        """Every level's numbers and assumptions."""
        found = reading.magnitude
        if found is None:
            return {}
        return {
            "surrogate": found.surrogate,
            "outcome": found.outcome,
            "prob": found.prob,
            "levels": [
                {
                    "level": level.name,
                    "endpoint": level.endpoint,
                    "says": level.says,
                    "assumes": level.assumes,
                    "why_not": level.why_not,
                    "observed": list(level.observed),
                }
                for level in found.levels
            ],
            "reductions": found.table.to_dict("records"),
            "sufficient": found.sufficient.to_dict("records"),
            "responder_trap": reading.tables.get("responder_trap", pd.DataFrame()).to_dict("records"),
        }


def _with_context(found: Magnitude) -> pd.DataFrame:
    """Implied effects, and what each row is of: a posterior, or effects as reported."""
    kinds = found.table.get("interval_kind", pd.Series(dtype=object))
    return found.table.assign(context=["data" if kind == "ci" else "posterior" for kind in kinds])


def _trap_layout(trap: ResponderTrap) -> Layout:
    """Everything of the responder trap is simulated, its limits over simulated trials."""
    return Layout(
        keys=("comparison", "correlation"),
        columns={
            **{name: Statistic("value", of=name, unit=trap.unit) for name in ("true_effect", "expected")},
            "monte_carlo_se": Statistic("se"),
            "favours_drug": Statistic("share", event="confidence interval favours the drug"),
            "favours_control": Statistic("share", event="confidence interval favours the controls"),
            "trials": Statistic("n", of="trials", context="simulated"),
            "without": Statistic("n", of="trials with fewer than two responders", context="simulated"),
            "responders": Statistic("share", event="responders"),
        },
        context="simulated",
        interval=("eti_simulated", trap.level),
    )


def _implied_section(reading: Reading, found: Magnitude) -> Section:
    outside = any(level.extrapolated(x) for level in found.shown for x in found.reductions)
    rows = [row for level in found.levels for row in _rows(level, found)]
    least = f"Smallest reduction that would suffice, it and every larger one with probability {(1 + found.prob) / 2:g}"
    stated = [
        {
            "Level": level.title,
            "Outcome": level.endpoint,
            "What the number is": level.says,
            "What it stands on": level.assumes,
        }
        for level in found.levels
    ]
    notes = [f"{OUTSIDE} No such reduction was observed: extrapolated."] if outside else []
    notes.append(
        '"Any reduction": the interval leaves out no benefit however small the reduction. A reduction x is the effect '
        "ln(1 - x)."
    )
    return Section(
        f"What a reduction of {found.surrogate} implies for {found.outcome}",
        [
            "How much lower must the surrogate be, and how sure is the benefit? Each level of evidence answers a "
            "question of its own, and they are not averaged. Only the trial level predicts what a drug's effect on the "
            "surrogate does in a new trial; every other number stands on an assumption that its data cannot test.",
            *_survival(reading, found),
        ],
        {
            f"Implied effect of a lower {found.surrogate}: median (of reported effects the estimate) and interval"
            if any(level.interval_kind == "ci" for level in found.shown)
            else f"Implied effect of a lower {found.surrogate}: median and interval": pd.DataFrame(rows).fillna(""),
            least: _without_blanks(pd.DataFrame([_smallest(level, found) for level in found.levels])),
            "What each number is, and what it stands on": pd.DataFrame(stated),
        },
        [_picture(reading, found, level) for level in found.shown],
        " ".join(notes),
    )


def _rows(level: Level, found: Magnitude) -> Iterator[dict[str, str]]:
    """A level's row of implied effects, the mean of new trials and the same before the data under it."""
    head = {"Level": level.title, "Outcome": level.endpoint}
    if level.effect is None:
        yield {**head, "Interval": f"not shown: {level.why_not}"}
        return
    first = ", a new trial" if level.name == "trials" else ""
    kinds: tuple[tuple[str, Implied | None, str], ...] = (
        (first, level.effect, level.interval),
        (", mean of new trials", level.line, f"{100 * found.prob:g} % credible interval"),
        (f"{first}, before the data", level.prior, level.interval.replace("credible", "prior")),
    )
    for words, implied, interval in kinds:
        if implied is None:
            continue
        cells = {
            f"{100 * x:g} % lower": estimate(*level.shown(implied.limits(ln_effect(x), found.prob)))
            + (f" {OUTSIDE}" if level.extrapolated(x) else "")
            for x in found.reductions
        }
        unit = f"{level.shown_unit}, {level.direction.replace('-', '−')}"
        yield {
            "Level": f"{head['Level']}{words}",
            "Outcome": level.endpoint,
            **cells,
            "Unit": unit,
            "Interval": interval,
        }


def _smallest(level: Level, found: Magnitude) -> dict[str, str]:
    row = {"Level": level.title, "Outcome": level.endpoint}
    if level.effect is None:
        return row | {
            "For any benefit": "not shown",
            "For an important difference": "–",
            "Observed": "–",
            "Why": level.why_not,
        }
    low, high = level.observed
    observed = "–" if high != high else f"{100 * low:.0f} to {100 * high:.0f} %: {level.observed_words}"
    if not level.sufficient:
        asked = dict.fromkeys(("For any benefit", "For an important difference"), NOT_ASKED)
        return row | asked | {"Observed": observed, "Why": ""}
    any_benefit = level.sufficient[0]
    important = level.sufficient[1] if len(level.sufficient) > 1 else None
    reasons = [each.reason for each in level.sufficient if each.reason]
    return row | {
        "For any benefit": any_benefit.words,
        "For an important difference": "none declared"
        if important is None
        else f"{important.words} (for {important.margin:g} {level.unit})",
        "Observed": observed,
        "Why": " ".join(_sentences(reasons)),
    }


def _without_blanks(table: pd.DataFrame) -> pd.DataFrame:
    """The table without columns that are blank throughout."""
    return table[[name for name in table if (table[name] != "").any()]]


def _survival(reading: Reading, found: Magnitude) -> Iterator[str]:
    """What is said where nothing here is about survival."""
    if any(level.ratio for level in found.levels):
        return
    if reading.trials is not None:
        yield "Survival is not in this table of trials: that takes effects on the surrogate beside log hazard ratios."
    else:
        yield (
            "Survival is not in this fit: a hazard on the individual level needs a joint_event model with an "
            f'association {{outcome = "{reading.evidence.declared.surrogate.name}", form = "value"}}.'
        )


def _trap_section(reading: Reading) -> Section:
    found = reading.magnitude
    assert found is not None
    traps = traps_of(reading)
    rows = []
    for name, trap in traps:
        table = trap.table.set_index("comparison")
        shown = {comparison: estimate(*table.loc[comparison, ["mean", "lower", "upper"]]) for comparison in table.index}
        favours = {comparison: chance(float(table.loc[comparison, "favours_drug"])) for comparison in table.index}
        rows.append(
            {
                "Scenario": name,
                "Correlation": fixed(trap.correlation, 2),
                "Respond": f"{100 * trap.share:.0f} %",
                "Responders minus all controls": shown[RESPONDERS],
                "By formula": fixed(trap.expected, 2),
                "Called a benefit": favours[RESPONDERS],
                "As randomised": shown[RANDOMISED],
                "Called a benefit, as randomised": favours[RANDOMISED],
            }
        )
    first = traps[0][1]
    return Section(
        "The responder trap (simulated, not data)",
        [
            "No level above may be read off responders. Who responds is known only after randomisation: persons whose "
            "disease is slower by itself have NfL that falls more by itself, and choosing them chooses the better "
            "course. Here the drug does nothing for ALSFRS-R in anybody, and responders still differ from all "
            "controls; compared as randomised there is nothing. The difference follows the correlation of the two "
            "changes within an arm: its sign is that of a benefit where the correlation is below 0, of a harm above.",
            f"Simulated: {len(first.estimates[RANDOMISED]):,} trials a scenario of {first.treated} treated and "
            f"{first.controls} controls; a responder is a treated person whose NfL fell by {100 * first.reduction:g} % "
            "or more. A person's change of log NfL and slope are bivariate normal. The correlations are assumptions"
            + (", except in the last scenario" if any("this fit" in name for name, _ in traps) else "")
            + ".",
        ],
        {
            "Difference in ALSFRS-R slope, points a month, + favours the drug: mean over simulated trials, and range "
            f"of {100 * first.level:g} % of them": pd.DataFrame(rows)
        },
        [
            Picture(
                reading.figures.maker("responder_trap"),
                "Simulated differences of slopes, responders against all controls and as randomised, by scenario.",
                f"Simulated. Point: mean; line: {100 * first.level:g} % of the trials. The true effect is 0.",
            )
        ],
        f"Called a benefit: share of trials whose {100 * first.level:g} % confidence interval (Welch) lies above 0. By "
        "formula: −ρ SD(slope) φ(z) / Φ(z), z where the responders' limit lies in the distribution of the treated. "
        "Spreads of the scenarios: 0.25 ln (HEALEY C, 24 weeks) and 0.90 points a month (PRO-ACT, slopes as measured).",
    )


def _why_not(reading: Reading) -> Iterator[Section]:
    """Of a surrogate of which a reduction in percent means nothing."""
    if reading.trials is None and reading.surrogate is None:
        return
    yield Section(
        "What a reduction of the surrogate implies",
        [
            "Not computed: a reduction in percent needs effects on the surrogate on the natural log scale with down "
            "good (of a table of trials, a unit that begins with ln, not of hazards or odds), and an outcome whose "
            "good direction is stated."
        ],
    )


def _picture(reading: Reading, found: Magnitude, level: Level) -> Picture:
    known = level.observed[1] > 0
    return Picture(
        reading.figures.maker(f"magnitude_{_file(level, found)}"),
        f"{level.title}: effect on {level.endpoint} against the reduction of the surrogate.",
        f"{level.title}: {'estimate' if level.interval_kind == 'ci' else 'median'} and {level.interval}."
        + (f" Grey: reductions observed, {level.observed_words}." if known else "")
        + f" {level.direction[:1].upper().replace('-', '−')}{level.direction[1:]}.",
    )


def _file(level: Level, found: Magnitude) -> str:
    """Name of a level's figure: with its number where several have the name."""
    alike = [other for other in found.shown if other.name == level.name]
    number = f"_{alike.index(level) + 1}" if len(alike) > 1 else ""
    return f"{level.name.replace(' ', '_')}{number}"


def _sentences(reasons: list[str]) -> list[str]:
    return [f"{reason[:1].upper()}{reason[1:]}." for reason in dict.fromkeys(reasons)]
