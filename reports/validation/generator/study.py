"""Study: does the generator of simulated trials reproduce what VALOR published?

    python -m validation.generator --out reports/validation/generator

Each simulated trial is analysed as the published rows were, as far as that is known (`published_analyses`), at the
same data lock. A published number is inside if it lies within the central 95 % of the simulated trials' numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.simulation import (
    SimulatedTrial,
    published_truth,
    simulate_trial,
    trial_seed,
    valor_design,
    without_exits,
)
from bayesmodels.study.evidence import load
from bayesmodels.trials.results import Results
from bayesmodels.trials.specification import TrialsSpec
from bayesmodels.trials.study import TrialsStudy, Variant
from validation.generator.published_analyses import group_means, log_hazard_ratio, wide

OUTCOMES = ("nfl_plasma", "alsfrs_r")
ANALYSES = (
    (("valor_2021", "ole_2021"), "july_2021", ("faster", "slower")),
    (("valor_2021_itt",), "july_2021", ("all",)),
    (("integrated_2022",), "january_2022", ("all",)),
    (("final_2025",), "end", ("all",)),
)
"""Published series analysed together, their data lock, and the strata they report."""

CORE_WEEKS = (12, 28)
"""Weeks of ``valor_2021`` among the core rows: neighbouring visits of the same arm say nearly the same."""

KEY = ["table", "series", "stratum", "start_group", "week", "what"]


EXPECTED_148 = {
    "all persons": (-11.3, -13.0),
    "observed cases": (-6.7, -7.1),
    "imputed, adjusted": (-11.4, -13.4),
}
"""Week 148 in the calibration that gave the truth, early and delayed; imputed there unadjusted."""


def published_rows() -> pd.DataFrame:
    """Every published number that the generator can speak to, one row each, with ``core`` marking the chosen ones.

    Core rows (54): NfL and ALSFRS-R means of ``valor_2021`` at weeks 12 and 28, of ``ole_2021`` after week 28 (its
    earlier visits repeat ``valor_2021``), of ``valor_2021_itt`` and ``final_2025``; and all counts that are results
    (not the numbers randomised, of men, or of variants). The others are every other mean of ``valor_2021``, the means
    of ``integrated_2022`` and the published contrasts of NfL, ALSFRS-R and events, most of which repeat core rows.
    """
    means = load("valor_visits").table.rename(columns={"outcome": "what", "estimate": "published"})
    means["week"] = means["week"].astype(int).astype(str)
    after_switch = (means["series"] != "ole_2021") | (means["week"].astype(int) > 28)
    means = means[means["what"].isin(OUTCOMES) & after_switch].assign(table="visits", published_se=lambda t: t["se"])
    core_week = means["week"].isin([str(week) for week in CORE_WEEKS]) | (means["series"] != "valor_2021")
    means["core"] = core_week & (means["series"] != "integrated_2022")

    counts = load("valor_counts").table.rename(columns={"count": "published"})
    counts = counts[~counts["what"].isin(["randomised", "male", "unique_SOD1_variants"])]
    counts = counts.assign(table="counts", series="", core=True)

    contrasts = load("valor_contrasts").table.rename(columns={"value": "published", "contrast": "start_group"})
    of_interest = contrasts["quantity"].eq("hazard_ratio") | contrasts["outcome"].isin(OUTCOMES)
    contrasts = contrasts[of_interest]
    adjusted = (contrasts["outcome"] == "alsfrs_r") & (contrasts["week"] == "52")
    contrasts = contrasts.assign(
        table="contrasts",
        core=False,
        series=np.where(adjusted, "integrated_2022", ""),
        what=contrasts["outcome"] + " " + contrasts["quantity"],
    )
    columns = [*KEY, "published", "published_se", "certainty", "core"]
    return pd.concat([means, counts, contrasts], ignore_index=True).reindex(columns=columns).astype({"week": str})


def analyse(trial: SimulatedTrial) -> dict[tuple[str, ...], float]:
    """Every number of `published_rows`, from one simulated trial, by its key."""
    numbers: dict[tuple[str, ...], float] = {}
    for series, lock, strata in ANALYSES:
        known = trial.as_of(lock)
        nfl_adjusted = series == ("integrated_2022",)
        for stratum, outcome in product(strata, OUTCOMES):
            means = group_means(known, outcome, stratum, adjust_for_nfl=nfl_adjusted)
            for week, (early, delayed) in zip(means.index, means.to_numpy(), strict=True):
                for name in series:
                    numbers["visits", name, stratum, "early", str(week), outcome] = early
                    numbers["visits", name, stratum, "delayed", str(week), outcome] = delayed
                label = "integrated_2022" if nfl_adjusted else ""
                if lock != "end":
                    numbers |= _contrast(label, stratum, str(week), outcome, early - delayed)
    return numbers | _counts(trial) | _hazard_ratios(trial)


def _contrast(label: str, stratum: str, week: str, outcome: str, difference: float) -> dict[tuple[str, ...], float]:
    """One contrast under its key: a difference of ALSFRS-R, a ratio of NfL."""
    key = ("contrasts", label, stratum, "early - delayed", week)
    if outcome == "nfl_plasma":
        return {(*key, "nfl_plasma ratio"): float(np.exp(difference))}
    return {(*key, "alsfrs_r difference"): float(difference)}


def _counts(trial: SimulatedTrial) -> dict[tuple[str, ...], float]:
    group = trial.persons["start_group"]
    july = trial.as_of("july_2021").events["event"]
    kinds = {
        "death": july == "death",
        "permanent_ventilation": july == "ventilation",
        "withdrawal_due_to_progression": july == "withdrawal_progression",
    }
    kinds["death_or_PV_or_progression_withdrawal"] = np.logical_or.reduce(list(kinds.values()))
    completed = trial.events["event"] == "none"
    numbers = {("all", "all", "0", "entered_OLE"): (trial.events["week"] >= 28).sum()}
    numbers["all", "all", "148", "completed_OLE"] = completed.sum()
    for name in ("early", "delayed"):
        numbers["all", name, "148", "completed_OLE"] = completed[group == name].sum()
        for what, happened in kinds.items():
            numbers["all", name, "to_Jul2021", what] = happened[group == name].sum()
    return {("counts", "", *key): float(count) for key, count in numbers.items()}


def _hazard_ratios(trial: SimulatedTrial) -> dict[tuple[str, ...], float]:
    early = (trial.persons["start_group"] == "early").to_numpy(float)
    nfl = wide(trial, "nfl_plasma")[:, 0]
    faster = (trial.persons["stratum"] == "faster").to_numpy()
    july, january = trial.as_of("july_2021").events, trial.as_of("january_2022").events
    composite = july["event"].isin(["death", "ventilation", "withdrawal_progression"]).to_numpy()
    first = january["event"].isin(["death", "ventilation"]).to_numpy()
    # After ventilation persons are still followed for death; after withdrawal they are not.
    death_week = trial.hidden["death_week"].to_numpy()
    until = np.where(first, trial.hidden["follow_up_january_2022"], january["week"])
    both = np.column_stack([early, nfl])
    ratios = {
        ("faster", "to_Jul2021", "death_or_PV_or_progression_withdrawal"): log_hazard_ratio(
            july["week"].to_numpy()[faster], composite[faster], early[faster, None]
        ),
        ("all", "to_Jan2022", "death_or_PV"): log_hazard_ratio(january["week"].to_numpy(), first, both),
        ("all", "to_Jan2022", "death"): log_hazard_ratio(
            np.minimum(death_week, until), first & (death_week <= until), both
        ),
    }
    return {
        ("contrasts", "", stratum, "early - delayed", week, f"{what} hazard_ratio"): float(np.exp(log_ratio))
        for (stratum, week, what), log_ratio in ratios.items()
    }


def week_148(trial: SimulatedTrial, everyone: SimulatedTrial) -> dict[str, float]:
    """ALSFRS-R change at week 148 per start group, three ways: the same persons all followed, observed, imputed."""
    ways = {
        "all persons": group_means(everyone, "alsfrs_r", "all", impute=False),
        "observed cases": group_means(trial, "alsfrs_r", "all", impute=False),
        "imputed, adjusted": group_means(trial, "alsfrs_r", "all"),
    }
    return {f"{way}, {group}": float(means.loc[148, group]) for way, means in ways.items() for group in means}


def compare(rows: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """Published rows beside the simulated trials' numbers (columns keyed as `KEY`, one row per trial)."""
    simulated = numbers[[tuple(row) for row in rows[KEY].to_numpy()]].to_numpy()
    published = rows["published"].to_numpy(float)
    lower, upper = np.quantile(simulated, [0.025, 0.975], axis=0, method="inverted_cdf")
    return rows.assign(
        simulated_mean=simulated.mean(axis=0),
        simulated_median=np.median(simulated, axis=0),
        simulated_sd=simulated.std(axis=0, ddof=1),
        lower_95=lower,
        upper_95=upper,
        share_below=(simulated < published).mean(axis=0) + (simulated == published).mean(axis=0) / 2,
        inside=(published >= lower) & (published <= upper),
    )


def one_trial(spec: TrialsSpec, number: int) -> dict[str, Any]:
    """Simulate one trial, which is trial `number` + 1 of `bayesmodels.simulation.simulate`, and analyse it.

    Returns
    -------
    dict
        `numbers`, by key with `|` between its parts; `late`, see `week_148`; `followed` at week 148 by start group.
    """
    truth, design = published_truth(), valor_design()
    everyone = design.model_validate({**design.model_dump(), "missed_visits": 0.0})
    trial = simulate_trial(design, truth, trial_seed(spec.seed, number + 1))
    still = trial.events["week"] >= 148
    return {
        "numbers": {"|".join(key): float(value) for key, value in analyse(trial).items()},
        "late": week_148(trial, simulate_trial(everyone, without_exits(truth), trial_seed(spec.seed, number + 1))),
        "followed": {name: int(still[trial.persons["start_group"] == name].sum()) for name in ("early", "delayed")},
    }


def results(records: list[dict[str, Any]], spec: TrialsSpec) -> Results:
    """Published rows beside the trials' numbers, and what the trials have at week 148."""
    table = pd.DataFrame([record["numbers"] for record in records])
    table.columns = pd.Index([tuple(key.split("|")) for key in table.columns], tupleize_cols=False)
    rows = compare(published_rows(), table)
    late, followed = (pd.DataFrame([record[name] for record in records]) for name in ("late", "followed"))
    core = rows[rows["core"]]
    counts = {
        "seed": spec.seed,
        "core_rows": len(core),
        "core_rows_inside": int(core["inside"].sum()),
        "all_rows": len(rows),
        "all_rows_inside": int(rows["inside"].sum()),
        "by_table": {
            str(table): {"rows": len(part), "inside": int(part["inside"].sum())}
            for table, part in rows.groupby("table", sort=False)
        },
        "simulated_sd_over_published_se": _spread(rows),
        "week_148_alsfrs_r_change": {
            name: {"mean": round(float(values.mean()), 2), "monte_carlo_se": round(float(values.sem()), 2)}
            for name, values in late.items()
        },
        "followed_at_week_148": {
            group: {
                "mean": round(float(values.mean()), 1),
                "lower": int(values.quantile(0.025, interpolation="lower")),
                "upper": int(values.quantile(0.975, interpolation="higher")),
            }
            for group, values in followed.items()
        },
    }
    return Results({"rows": rows}, counts)


def _spread(rows: pd.DataFrame) -> dict[str, float]:
    """Median over rows of the simulated SD of a mean over its published SE, per outcome and start group."""
    means = rows[(rows["table"] == "visits") & rows["published_se"].notna()]
    ratio = means["simulated_sd"] / means["published_se"]
    medians = ratio.groupby([means["what"], means["start_group"]]).median()
    return {f"{outcome}, {group}": round(float(value), 2) for (outcome, group), value in medians.items()}


def context(files: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """Rows outside and nearest the edge, hazard ratios, and week 148 beside what was expected of it."""
    rows = files["rows"].fillna({"series": ""}).astype({"week": str})
    late = files["manifest"]["week_148_alsfrs_r_change"]
    gaps = [
        abs(late[f"{way}, {group}"]["mean"] - value)
        for way, pair in EXPECTED_148.items()
        for group, value in zip(("early", "delayed"), pair, strict=True)
    ]
    rows = rows.assign(name=[_name(row) for row in rows.itertuples()], distance=(rows["share_below"] - 0.5).abs())
    inside, outside = rows[rows["inside"]], rows[~rows["inside"]]
    return {
        "outside": {"core": outside[outside["core"]], "other": outside[~outside["core"]]},
        "edge": inside.nlargest(6, "distance"),
        "ratios": rows[rows["what"].str.endswith("hazard_ratio")],
        "expected": EXPECTED_148,
        "least_gap": min(gaps),
        "largest_gap": max(gaps),
    }


def _name(row: Any) -> str:
    week = f"week {row.week}" if row.week.isdigit() else row.week.replace("_", " ")
    return ", ".join([row.series or row.table, row.stratum, row.start_group, week, row.what.replace("_", " ")])


STUDY = TrialsStudy(
    "validation.generator",
    __doc__,
    (Variant("generator", "reports/validation/generator", TrialsSpec(), 200),),
    one_trial,
    results,
    Path(__file__).with_name("page.md.j2"),
    context,
)
