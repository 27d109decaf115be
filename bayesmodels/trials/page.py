"""The report page of a study of many simulated trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bayesmodels.reporting.page import Lead, Picture, Section, compose
from bayesmodels.trials.operating import OperatingCharacteristics

SHOWN = 40
"""Quantities that the figure shows, and reasons of failed fits that the page lists."""


def page(found: OperatingCharacteristics, name: str, facts: Mapping[str, Any]) -> str:
    """The page as one HTML string.

    Parameters
    ----------
    found : OperatingCharacteristics
    name : str
        Of the study.
    facts : mapping
        What the last section lists: plan, seed, versions.
    """
    n = found.computation
    undone = len(found.missing)
    stamp = f"Unfinished: {undone:,} of {found.planned:,} fits are missing" if undone else None
    sections = [_rules(found), _quantities(found), _fits(found, n), _facts(facts)]
    return compose(f"{name}: operating characteristics", _lead(found, n), [s for s in sections if s is not None], stamp)


def _lead(found: OperatingCharacteristics, n: Mapping[str, Any]) -> Lead:
    cautions = []
    if n["failed"]:
        cautions.append(f"{n['failed']:,} fits failed and are in no share below; the reasons are listed further down.")
    wrong = n["verdicts"].get("not_converged", 0)
    if wrong:
        cautions.append(
            f"{wrong:,} of {n['fits'] - n['failed']:,} fits did not converge by the package's verdict; they count in "
            "every number below. Longer chains would change this."
        )
    return Lead(
        paragraphs=(
            "Every trial here is simulated: no number on this page is a result of a drug.",
            f"{n['fits']:,} of {found.planned:,} fits. Shares have exact binomial 95 % limits.",
            *(f"{line}." for line in found.sentence().splitlines()[1:]),
        ),
        cautions=cautions,
    )


def _share(row: Any, name: str) -> str:
    value, lower, upper = (getattr(row, f"{name}{edge}") for edge in ("", "_lower", "_upper"))
    return "–" if np.isnan(value) else f"{value:.3f} ({lower:.3f} to {upper:.3f})"


def _rules(found: OperatingCharacteristics) -> Section | None:
    table = found.table
    if table.empty:
        return None
    rows = pd.DataFrame(
        {
            "Rule": table["rule"],
            "Quantity": table["quantity"],
            "Measure": table["measure"],
            "Successes": [f"{row.successes:,} of {row.fits:,}" for row in table.itertuples()],
            "Share (95 % limits)": [f"{r.share:.3f} ({r.lower:.3f} to {r.upper:.3f})" for r in table.itertuples()],
        }
    )
    said = [
        f"{rule.name}: success where P({rule.variable} favours) > {rule.probability:g}"
        + (f", favourable beyond {rule.beyond:g}." if rule.beyond else ".")
        for rule in found.rules
    ]
    return Section(
        "How often the rules decide for success",
        said,
        {"Decision rules": rows},
        note="Power: among trials whose true value is favourable. Type I error: among trials whose true value is not. "
        "Assurance: among all trials where truths vary. Success: the truth is not known.",
    )


def _quantities(found: OperatingCharacteristics) -> Section | None:
    table = found.quantities
    if table.empty:
        return None
    level = f"{100 * found.interval:g} %"
    rows = pd.DataFrame(
        {
            "Quantity": table["quantity"],
            "Truth": [row.truth if not row.truth_varies else "varies" for row in table.itertuples()],
            "Mean of medians": table["median"],
            "Bias (MC error)": [
                "–" if np.isnan(row.bias) else f"{row.bias:+.3g} ({row.bias_se:.2g})".replace("-", "−")
                for row in table.itertuples()
            ],
            "RMSE": table["rmse"],
            "SD of medians": table["sd_of_medians"],
            "Posterior SD": table["posterior_sd"],
            f"Width of {level} interval": table["width"],
        }
    )
    judged = table[table["coverage"].notna()]
    tables, pictures = {"Over fits": rows}, []
    if len(judged):
        tables["Intervals that cover the truth (95 % limits)"] = pd.DataFrame(
            {
                "Quantity": judged["quantity"],
                f"{level} interval": [_share(row, "coverage") for row in judged.itertuples()],
                "50 % interval": [_share(row, "coverage_50") for row in judged.itertuples()],
            }
        )
        alt = f"Share of trials whose {level} interval covers the truth, by quantity, with binomial 95 % limits."
        pictures.append(Picture(lambda: _coverage(judged.head(SHOWN), found.interval), alt, alt))
    return Section(
        "Estimates",
        tables=tables,
        figures=pictures,
        note="Estimates are posterior medians, intervals equal-tailed. Coverage is at the truth of the simulation; "
        "limits are for one quantity at a time.",
    )


def _coverage(table: pd.DataFrame, interval: float) -> Figure:
    figure = Figure(figsize=(7.5, 1.6 + 0.28 * len(table)), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(table))[::-1]
    share = 100 * table["coverage"].to_numpy()
    edges = np.abs(100 * table[["coverage_lower", "coverage_upper"]].to_numpy().T - share)
    axes.axvline(100 * interval, color="#777777", lw=0.8)
    axes.errorbar(share, place, xerr=edges, fmt="o", ms=4, lw=1, color="#0b5fa5")
    axes.set_yticks(place, table["quantity"], fontsize=7)
    axes.set_xlim(0, 101)
    axes.set_ylim(-0.8, len(table) - 0.2)
    axes.set_xlabel("Intervals that cover the truth, %", fontsize=8)
    return figure


def _fits(found: OperatingCharacteristics, n: Mapping[str, Any]) -> Section:
    lower, upper = n["converged_limits"]
    share = "–" if lower is None else f"{n['converged_share']:.3f} ({lower:.3f} to {upper:.3f})"
    facts = {
        "Fits": n["fits"], "Failed": n["failed"], "Converged (95 % limits)": share,
        **{f"Verdict {name}": count for name, count in n["verdicts"].items()},
        "Compiled anew": n["compiled_anew"], "CPU seconds a fit, median": n["median_cpu_seconds_a_fit"],
        "CPU seconds in all": n["cpu_seconds"], "of these, compiling": n["compile_cpu_seconds"],
    }  # fmt: skip
    rows = pd.DataFrame([(name, value) for name, value in facts.items()], columns=["What", "Number"])
    tables = {"Fits": rows}
    fits = found.fits
    failed = fits[fits["status"] == "failed"]
    if len(failed):
        counts = failed["why"].value_counts().head(SHOWN).rename_axis("Why").reset_index(name="Fits")
        tables["Failed fits"] = counts
    return Section("Computation", tables=tables)


def _facts(facts: Mapping[str, Any]) -> Section:
    rows = pd.DataFrame([(name, str(value)) for name, value in facts.items()], columns=["What", "Value"])
    return Section("Plan", tables={"This study": rows}, collapsed=True)
