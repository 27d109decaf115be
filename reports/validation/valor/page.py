"""README of the VALOR acceptance study: each stated line beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bayesmodels.demo.valor import MAIN


def readme(tables: Mapping[str, pd.DataFrame], command: str) -> str:
    """The study's README in Markdown, from its tables.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As `validation.valor.study.run_study` makes them.
    command : str
        What makes the folder again.
    """
    lines = [
        "# VALOR's published means: what a correct fit shows, measured",
        "",
        f"Made by `{command}`. Real, published, group-level numbers; intervals are 95 % equal-tailed. Settings: "
        "start of the delayed group at week 30, visit shocks on, extension shift off, drift stops on drug, V as "
        "correlation scaled to the published standard errors, blank standard errors implied by V.",
        "",
        "Not a pure held-out test: the start at week 30, the visit-shock SDs, V and the deceleration were chosen "
        "with later data in view.",
        "",
        "Stated: what a trial run of the same model gave before there was a package, by another program that is not "
        "kept with it.",
        "",
        "## NfL response (stated medians: within 0.3 posterior SD is asked)",
        "",
        _markdown(_nfl(tables["nfl_response"])),
        "",
        "## Line by line",
        "",
        _markdown(pd.DataFrame(_lines(tables), columns=["Stated", "Measured"])),
        "",
        "## Effect on function under every form",
        "",
        _markdown(_forms(tables["function_forms"])),
        "",
        "The tables behind these lines are the CSV files beside this one.",
        "",
    ]
    return "\n".join(lines)


def _lines(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    starts = tables["inside_by_start"].set_index(["delayed_start_week", "model"])
    whole = tables["weeks_52_and_148"]
    function = whole[(whole["outcome"] == "alsfrs_r") & (whole["week"] == 148)].set_index(["model", "start_group"])
    over = (function["published"] - function["median"]).loc["slowing, linear"]
    nfl = whole[whole["outcome"] == "nfl_plasma"].set_index("start_group")
    trap = tables["trap_week_148"].set_index("model")
    likelihood = tables["log_likelihood_week_148"].set_index("model")["log_likelihood"]
    forms = tables["function_forms"]
    forms = forms[forms["data"] == "weeks 2 to 76"].set_index("quantity").loc["alsfrs_r_slowing"].set_index("form")
    to_76 = {kind: forms.loc[f"proportional slowing, {kind}"] for kind in ("decelerating", "linear")}
    start = tables["drug_start"].set_index("delayed_start_week")["log_likelihood"]
    shift = tables["nfl_response"].set_index("quantity").loc["extension shift"]
    drift = tables["drift_on_drug"].set_index(["drift_on_drug", "start_group"])["median"]
    independent = tables["independent_visits"].groupby("outcome")["coverage"].mean()
    coverage = {k: f"{100 * v:.0f} %" for k, v in independent.items()}
    gap = tables["difference_week_52"].set_index("model")
    none = "no effect, decelerating"
    return [
        ("ALSFRS-R stratum means at weeks 40 to 76 inside: ten of ten", f"{starts.loc[(30, MAIN), 'alsfrs_r']} of 10"),
        (
            "NfL means inside: about half of ten",
            f"{starts.loc[(30, MAIN), 'nfl_plasma']} of 10 (start 30), "
            f"{starts.loc[(28, MAIN), 'nfl_plasma']} of 10 (start 28)",
        ),
        (
            "Start 28: 14 of 20 with an effect, 13 without",
            f"{starts.loc[(28, MAIN), 'inside']} with, {starts.loc[(28, none), 'inside']} without",
        ),
        ("Start 28 instead of 30: -3.6 log-likelihood; 34: -12.3", f"{start[28]:.1f}; {start[34]:.1f}"),
        (
            "Linear courses over-predict the decline at week 148 by 7 to 11 points",
            f"{over.min():.1f} to {over.max():.1f}",
        ),
        ("With deceleration week 148 is inside", _inside(function.loc[MAIN])),
        (
            "NfL at week 148 (ratios .36, .33) lower than a smooth prediction, both groups",
            ", ".join(f"{g}: published {r['published']:.2f}, median {r['median']:.2f} ln" for g, r in nfl.iterrows()),
        ),
        (
            "Week 52 difference 3.5 (adjusted for NfL: another estimand); rejects no effect with constant slope",
            "; ".join(f"{m}: {r['median']:.1f} ({r['lower']:.1f}, {r['upper']:.1f})" for m, r in gap.iterrows()),
        ),
        ("Week 52 means, early and delayed, inside", "; ".join(_week_52(whole))),
        ("The trap: 77 % slowing (59, 101) without deceleration", _share(trap.loc["slowing, linear"])),
        ("... and with deceleration", _share(trap.loc[MAIN])),
        (
            "Log-likelihood with week 148: large lagged effect -32.2, small with deceleration -32.9, none with "
            "deceleration -33.1",
            f"{likelihood['slowing, linear']:.1f}, {likelihood[MAIN]:.1f}, {likelihood[none]:.1f} (maxima; constant "
            f"slope without effect {likelihood['no effect, linear']:.1f})",
        ),
        ("Slowing, data to week 76: .17 (-.23, .57) with deceleration", _interval(to_76["decelerating"])),
        ("... .30 (-.01, .63) without", _interval(to_76["linear"])),
        ("Extension shift about .13 (.02, .24)", _interval(shift)),
        (
            "Week 148 refutes a drift that continues on drug (medians at week 148, early and delayed)",
            f"stops {drift[('stops', 'early')]:.2f}, {drift[('stops', 'delayed')]:.2f}; continues "
            f"{drift[('continues', 'early')]:.2f}, {drift[('continues', 'delayed')]:.2f}; published -1.11, -1.02",
        ),
        (
            "Independent visits: population-mean intervals cover 61 to 69 %",
            f"ALSFRS-R {coverage['alsfrs_r']}, NfL {coverage['nfl_plasma']} (mean over visits, by linearisation)",
        ),
    ]


def _nfl(table: pd.DataFrame) -> pd.DataFrame:
    shown = pd.DataFrame({"Data": table["data"], "Prior": table["prior"], "Quantity": table["quantity"]})
    shown["Median (95 %)"] = [_interval(row) for _, row in table.iterrows()]
    shown["Stated"] = ["" if pd.isna(v) else f"{v:.2f}" for v in table["stated"]]
    shown["Off, posterior SD"] = ["" if pd.isna(v) else f"{v:.2f}" for v in table["off_in_sd"]]
    return shown


def _forms(table: pd.DataFrame) -> pd.DataFrame:
    shown = pd.DataFrame({"Form": table["form"], "Data": table["data"], "Quantity": table["quantity"]})
    shown["Median (95 %)"] = [_interval(row) for _, row in table.iterrows()]
    shown["Later ALSFRS-R inside, of 10"] = ["" if pd.isna(v) else f"{v:.0f}" for v in table["alsfrs_r_inside_of_10"]]
    return shown


def _week_52(whole: pd.DataFrame) -> list[str]:
    week_52 = whole[whole["week"] == 52]
    return [
        f"{model}: {_inside(part.set_index('start_group'))}" for model, part in week_52.groupby("model", sort=False)
    ]


def _inside(table: pd.DataFrame) -> str:
    return ", ".join(f"{group} {'yes' if inside else 'no'}" for group, inside in table["inside"].items())


def _interval(row: pd.Series) -> str:
    return f"{row['median']:.2f} ({row['lower']:.2f}, {row['upper']:.2f})"


def _share(row: pd.Series) -> str:
    return f"{100 * row['slowing']:.0f} % ({100 * row['lower']:.0f}, {100 * row['upper']:.0f})"


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(value) for value in row) + " |" for row in rows)
