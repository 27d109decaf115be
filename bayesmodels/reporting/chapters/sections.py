"""Sections of a report's page about effects, curves and the fit itself (start groups compared: `switch_sections`)."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bayesmodels.posterior.archive import needs
from bayesmodels.posterior.context import stratum_label
from bayesmodels.posterior.estimand import OPEN_LABEL, all_persons, missing_data
from bayesmodels.posterior.monte_carlo import ERROR, shown_with_errors
from bayesmodels.posterior.wording import chance_of, estimate, fixed, percents, places
from bayesmodels.reporting.chapters.effects import LEARNED, PARTLY, how_learned
from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.findings import Findings
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.vocabulary import made_by


def effect_section(findings: Findings, figures: LazyFigures) -> Section:
    """Drug effects, posterior beside prior."""
    context, label = findings.context, findings.settings.interval_label
    rows = []
    effects = findings.tables["effects"].sort_values("outcome", key=places, kind="stable")
    for row in effects.to_dict("records"):
        outcome = context.outcomes[row["outcome"]]
        numbers = (row["median"], row["lower"], row["upper"])
        rows.append(
            {
                "Outcome": f"{outcome.label}, {stratum_label(row['stratum'])}" if row["stratum"] else outcome.label,
                "Effect": _effect_name(row),
                f"Posterior median ({label})": estimate(*numbers),
                f"Prior median ({label})": estimate(row["prior_median"], row["prior_lower"], row["prior_upper"]),
                "Unit": row["unit"],
                "In percent": percents(*numbers) if row["unit"] == "ln" and row["direction"] else "",
                "P(favours the drug)": chance_of(row["probability_favours"], row["direction"]),
                "Posterior / prior width": _width(row["width_ratio"], context.unconverged),
            }
        )
    pictures = [
        Picture(
            figures.maker(name),
            f"Drug effect on {outcome.label}: posterior intervals over prior intervals, with a line at no effect.",
            f"{label}; {outcome.effect_unit}. Grey: prior. Line at zero: no effect.",
        )
        for outcome in context.outcomes.values()
        if (name := f"effect_{outcome.name}") in figures
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
            f"Effects by outcome, start group and stratum: median and {label}": pd.DataFrame(
                shown_with_errors(rows, effects[ERROR], "Posterior median")
            )
        },
        pictures,
        "Which sign favours the drug stands before its probability. Later minus earlier: what is known of whether "
        "starting late gives the same effect. Effects are those of all persons, as if alive and followed.",
    )


def curve_section(findings: Findings, figures: LazyFigures) -> Section:
    """Mean curves with data, the switch, and persons still observed."""
    context, label = findings.context, findings.settings.interval_label
    pictures = []
    for name in figures:
        if not name.startswith("curve_"):
            continue
        outcome, stratum = split_name(name, "curve", findings)
        groups, last_week = context.start_groups, _last_week(findings)
        counts = findings.observed.sentence(outcome.name, groups, stratum, last_week)
        limit = findings.observed.last_well_observed(outcome.name, groups, stratum)
        dashed = "" if math.isnan(limit) or limit >= last_week else f" Dashed past week {limit:g}."
        switch = "" if context.switch_week is None else f" After week {context.switch_week:g}: {OPEN_LABEL}."
        good = {"up": "Up is good.", "down": "Down is good."}.get(outcome.good_direction, "")
        pictures.append(
            Picture(
                figures.maker(name),
                f"Mean {outcome.label} over weeks since randomisation by start group, {stratum_label(stratum)}, with "
                "intervals, observed means and numbers still observed.",
                f"{good} Median and {label}: {all_persons(context)}.{switch} {counts[0].upper()}{counts[1:]}.{dashed}",
            )
        )
    return Section(
        "Mean curves per start group",
        [
            missing_data(context),
            "Curves are solid while half of every start group is still observed and dashed after. Observed means "
            "(markers, with 95 % confidence intervals) are of those still followed, the curves of everyone; they may "
            "part where persons leave.",
        ],
        {},
        pictures,
        "All curves are in curves.csv.",
    )


def ratio_section(findings: Findings, weeks: list[float]) -> Section:
    """Ratio to baseline with percent for outcomes on the log scale."""
    context, label = findings.context, findings.settings.interval_label
    table = findings.tables["ratio_to_baseline"]
    table = table[table["week"].isin(weeks)]
    rows = [
        {
            "Outcome": context.outcomes[row.outcome].label,
            "Stratum": stratum_label(row.stratum),
            "Start group": row.start_group,
            "Week": row.week,
            f"Ratio to baseline ({label})": estimate(row.ratio, row.ratio_lower, row.ratio_upper),
            f"Change, % ({label})": estimate(row.percent, row.percent_lower, row.percent_upper),
            "Still observed": findings.observed.at(row.outcome, row.start_group, row.stratum, row.week),
        }
        for row in table.itertuples()
    ]
    note = f"Ratio of geometric means, {all_persons(context)}; below 1 is a fall."
    if context.switch_week is not None:
        note += f" After week {context.switch_week:g}: {OPEN_LABEL}."
    shown = pd.DataFrame(shown_with_errors(rows, table[ERROR], "Ratio to baseline"))
    return Section("Ratio to baseline", (), {f"Median and {label}": shown}, (), note)


def check_section(findings: Findings, figures: LazyFigures) -> Section:
    """Predictive checks: observed visit means inside their predictive intervals."""
    label, prob = findings.settings.interval_label, findings.settings.interval
    rows = [
        {
            "Outcome": findings.context.outcomes[row.outcome].label,
            "Stratum": stratum_label(row.stratum),
            "Start group": row.start_group,
            "Visit means": row.cells,
            f"Inside {100 * prob:g} % interval": f"{row.inside} ({100 * row.share:.0f} %)",
            "Inside 50 % interval": f"{row.inside_50} ({100 * row.share_50:.0f} %)",
        }
        for row in findings.tables["predictive_coverage"].itertuples()
    ]
    pictures = []
    for name in figures:
        if name.startswith("check_"):
            outcome, stratum = split_name(name, "check", findings)
            alt = f"Observed minus predicted visit means of {outcome.label}, {stratum_label(stratum)}, by week."
            caption = f"Bars: predictive {label} about its median. Filled markers lie inside, hollow ones outside."
            pictures.append(Picture(figures.maker(name), alt, caption))
    return Section(
        "Predictive checks",
        ["Can the fitted model make visit means like those observed? The same persons and visits are drawn again."],
        {"Observed visit means inside their predictive intervals": pd.DataFrame(rows)},
        pictures,
        "The means of one group are correlated over visits, so the shares vary more than those of independent means.",
    )


def convergence_section(findings: Findings) -> Section:
    """Verdict, diagnostics, what ran, versions and seconds."""
    context = findings.context
    names = {
        "max_rhat": "worst rank-normalised R-hat",
        "min_ess_bulk": "smallest bulk effective sample size",
        "min_ess_tail": "smallest tail effective sample size",
        "divergences": "divergent draws",
        "min_ebfmi": "smallest E-BFMI",
    }
    table = findings.tables["convergence"].astype(object)
    shown = pd.DataFrame(
        {
            "Diagnostic": [names.get(name, name) for name in table["diagnostic"]],
            "Value": [fixed(v, 3) if isinstance(v, float) and abs(v) < 10 else v for v in table["value"]],
            "Short beyond": table["threshold"].to_list(),
            "Not converged beyond": table["not_converged"].to_list(),
        }
    )
    counted = (
        f"{context.convergence['scalars']} scalars were judged. Not converged are also chains of which more than "
        f"{context.limits.most_above(context.convergence['scalars']):g} scalars have an R-hat above "
        f"{context.limits.rhat:g}, or one is undefined."
    )
    ran = context.sampling.get("ran", context.sampling)
    facts = {"Seed": context.seed, **{f"Sampling: {k}": _short(v) for k, v in ran.items()}}
    facts |= {f"Seconds, {k}": _short(v) for k, v in context.seconds.items()}
    facts |= {f"Version of {k}": _short(v) for k, v in context.versions.items()}
    facts["Data digest"] = str(context.data.get("digest", "not recorded"))[:16]
    ran_table = pd.DataFrame({"Fact": list(facts), "Value": list(facts.values())})
    tables = {"Convergence": shown, "What ran": ran_table}
    return Section("Convergence and how it was run", (*context.cautions, counted), tables)


def parameter_section(findings: Findings) -> Section:
    """Every population parameter."""
    label = findings.settings.interval_label
    table = findings.tables["parameters"]
    dims = [c for c in table.columns[1 : list(table.columns).index("unit")] if (table[c] != "").any()]
    rows = [
        {
            "Parameter": row["name"],
            **{dim.replace("_", " ").capitalize(): row[dim] for dim in dims},
            "Unit": row["unit"],
            f"Median ({label})": estimate(row["median"], row["lower"], row["upper"]),
            "Mean": row["mean"],
            "SD": row["sd"],
            "R-hat": "–" if math.isnan(row["rhat"]) else f"{row['rhat']:.3f}",
            "Bulk ESS": "–" if math.isnan(row["ess_bulk"]) else f"{row['ess_bulk']:,.0f}",
            "Prior median": row["prior_median"],
            "Prior SD": row["prior_sd"],
            "Width, posterior / prior": row["width_ratio"],
        }
        for row in table.to_dict("records")
    ]
    shown = pd.DataFrame(shown_with_errors(rows, table[ERROR], "Median"))
    return Section("All population parameters", (), {f"Posterior median and {label}": shown}, collapsed=True)


def absent_section(findings: Findings) -> Section:
    """What this posterior could not show, and the config line that would."""
    rows = []
    for name in findings.absent:
        variables, groups = needs(name)
        lines = [made_by(need) for need in (*variables, *groups) if made_by(need)]
        rows.append({"Report": name, "Needs": ", ".join([*variables, *groups]), "Config": lines[0] if lines else ""})
    if findings.undeclared_surrogate:
        names = list(findings.context.outcomes)
        line = f'[report] surrogate = "{names[0]}"  outcome = "{names[1]}"'
        rows.append({"Report": "surrogate", "Needs": "which biomarker, for which outcome", "Config": line})
    return Section(
        "Not made from this posterior", (), {"Reports whose variables or groups are missing": pd.DataFrame(rows)},
        collapsed=True,
    )  # fmt: skip


def extra_section(content: Mapping[str, Any]) -> Section:
    """A section that the posterior brings with it (root attribute `extra_sections`)."""
    title = str(content.get("title", "Further results"))
    image = content.get("figure_png_base64")
    return Section(
        title,
        [str(paragraph) for paragraph in content.get("paragraphs", ())],
        {title: pd.DataFrame(content["table"])} if content.get("table") else {},
        [Picture(base64.b64decode(image), f"Figure: {title}")] if image else (),
    )


def split_name(name: str, kind: str, findings: Findings) -> tuple[Any, str]:
    """Outcome and stratum of a figure's name, ``<kind>_<outcome>_<stratum>``."""
    rest = name.removeprefix(f"{kind}_")
    for outcome in sorted(findings.context.outcomes.values(), key=lambda o: -len(o.name)):
        if rest.startswith(f"{outcome.name}_"):
            return outcome, rest.removeprefix(f"{outcome.name}_")
    raise KeyError(name)


def _width(ratio: float, unconverged: bool) -> str:
    """Posterior over prior width, and what it says; of chains that did not converge nothing."""
    if math.isnan(ratio):
        return "–"
    return f"{ratio:.2f}" if unconverged else f"{ratio:.2f}: {how_learned(ratio)}"


def _effect_name(row: Mapping[str, Any]) -> str:
    kind = row["name"]
    names = {
        "drug_effect": "drug effect",
        "group_drug_effect": f"in those who start {row['start_group']}",
        "group_effect_contrast": f"{row['contrast'].replace(' - ', ' minus ')}",
    }
    return names.get(kind, kind.replace("_", " "))


def _last_week(findings: Findings) -> float:
    return float(findings.tree["posterior"]["week"].max())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value)
