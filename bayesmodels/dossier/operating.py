"""Operating characteristics in a dossier, from studies of simulated trials, and whether they are of this analysis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from bayesmodels.dossier.criteria import Decided
from bayesmodels.dossier.evidence import Run, TrialsStudy
from bayesmodels.dossier.same_model import differences
from bayesmodels.trials.operating import binomial_limits
from bayesmodels.vocabulary import VARIABLES

TYPE_I, POWER, ASSURANCE, WRONG = "type I error", "power", "assurance", "wrong among successes"
"""Measures of a criterion; the last two where truths vary between trials."""

ALL_MET, ANY_MET = "all criteria met", "any criterion met"
"""Measures of several criteria together, in a study that decides by all of them."""

STUDY_COLUMNS = ("study", "truth", "same_model", "planned", "fits", "failed", "not_converged")


def null_value(variable: str) -> float | None:
    """Value of a quantity where the drug does nothing; None of one that compares nothing, such as a mean.

    Parameters
    ----------
    variable : str
        Of the vocabulary.

    Examples
    --------
    >>> null_value("difference"), null_value("disease_rate_ratio"), null_value("curve")
    (0.0, 1.0, None)
    """
    row = VARIABLES[variable]
    if row.unit == "ratio":
        return 1.0
    return 0.0 if "contrast" in row.dims or row.favours else None


def studies_table(run: Run, studies: Sequence[TrialsStudy]) -> pd.DataFrame:
    """A row for each study: what is true in its trials, what was fitted to them, and how that went.

    Parameters
    ----------
    run : Run
        Whose model it should be.
    studies : sequence of TrialsStudy

    Returns
    -------
    DataFrame
        study, truth, why, same_model (as the run's), differences (where not), persons (in each trial), run_persons,
        planned, fits, failed, converged_share with limits, not_converged, seed, sampling, analysis (as read: strata,
        weeks), digest, hosts.
    """
    rows = []
    for study in studies:
        n, plan = study.found.computation, study.manifest["plan"]
        differ = [*differences(run.reading.context.model, study.model), *_read_otherwise(run, plan.get("study", {}))]
        lower, upper = n["converged_limits"]
        rows.append(
            {
                "study": study.name,
                "truth": study.truth_in_words,
                "why": study.why,
                "same_model": not differ,
                "differences": "; ".join(differ),
                "persons": _sizes(study.sizes),
                "run_persons": _sizes(run_sizes(run)),
                "planned": study.found.planned,
                "fits": n["fits"],
                "failed": n["failed"],
                "not_converged": n["fits"] - n["failed"] - n["converged"],
                "converged_share": n["converged_share"],
                "converged_lower": lower,
                "converged_upper": upper,
                "seed": study.manifest["seed"],
                "sampling": json.dumps(study.manifest["sampling"]),
                "analysis": json.dumps(plan.get("study", {})),
                "digest": study.manifest["digest"],
                "cpu_seconds": n["cpu_seconds"],
            }
        )
    return pd.DataFrame(rows, columns=None if rows else list(STUDY_COLUMNS))


def _read_otherwise(run: Run, reading: Mapping[str, Any]) -> Iterator[str]:
    """What of the tables is read by one of the two only: strata."""
    own, there = run.tree["posterior"].sizes.get("stratum", 1) > 1, reading.get("strata")
    if there is not None and bool(there) != own:
        yield f"strata are used: {'yes' if own else 'no'}, there {'yes' if there else 'no'}"


def run_sizes(run: Run) -> dict[str, int]:
    """Persons of the run's data by start group; empty where the posterior does not say.

    Parameters
    ----------
    run : Run
    """
    groups = run.reading.context.data.get("counts", {}).get("persons", {})
    if not isinstance(groups, dict):
        return {}
    return {group: by_stratum["all"] for group, by_stratum in groups.items() if isinstance(by_stratum, dict)}


def _sizes(by_group: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in by_group.items())


def same_rule(study: TrialsStudy, each: Decided) -> str:
    """Name of the rule of a study that decides as a criterion does: on the same quantity, side and threshold.

    Parameters
    ----------
    study : TrialsStudy
    each : Decided
        A rule that leaves the favourable side to the outcome has the side that this quantity's outcome has.

    Returns
    -------
    str
        Blank where there is none.
    """
    rows = study.found.rows
    quantities = rows[rows["kind"] == "rule"].groupby("rule", sort=False)["quantity"].first()
    own = ("up" if each.sign > 0 else "down", each.criterion.beyond, each.criterion.probability)
    for rule in study.found.rules:
        side = (rule.favours or each.cell["good"], rule.beyond, rule.probability)
        if side == own and quantities.get(rule.name) == each.cell["quantity"]:
            return rule.name
    return ""


def rules_table(studies: Sequence[TrialsStudy], found: Sequence[Decided]) -> pd.DataFrame:
    """How often each rule of each study decided for success, with exact binomial limits.

    Parameters
    ----------
    studies : sequence of TrialsStudy
    found : sequence of Decided
        The criteria on the run's posterior.

    Returns
    -------
    DataFrame
        study, criterion (the one that the rule is; blank where none), rule, quantity, measure, successes, fits, share,
        lower, upper. Measures as `trials.operating.rule_table` has them; where the truth of a criterion's quantity is
        not known, the generator's drug does nothing, and the quantity is a contrast or an effect whose value without an
        effect (`null_value`) is not favourable, a success is a type I error.
        Where truths vary, "wrong among successes": trials without a favourable truth among those that decided for
        success. Of several criteria also "all criteria met" and "any criterion met", over all trials of a study that
        decides by each of them.
    """
    rows = []
    for study in studies:
        decides = {name: each for each in found if (name := same_rule(study, each))}
        names = {name: each.criterion.name for name, each in decides.items()}
        for row in [*study.found.table.to_dict("records"), *_wrong(study)]:
            own, measure = decides.get(str(row["rule"])), row["measure"]
            if measure == "success" and own is not None and study.without_effect:
                null = null_value(own.criterion.variable)
                measure = TYPE_I if null is not None and not own.favourable(null) else measure
            rows.append({"study": study.name, "criterion": names.get(str(row["rule"]), ""), **row, "measure": measure})
        if len(names) == len(found) > 1:
            rows += [{"study": study.name, "criterion": "all", **row} for row in _together(study, list(names))]
    columns = ["study", "criterion", "rule", "quantity", "measure", "successes", "fits", "share", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)


def _wrong(study: TrialsStudy) -> Iterator[dict[str, Any]]:
    """Of trials that decided for success, those whose true value is not favourable; only where truths vary."""
    rows = study.found.rows
    for (rule, quantity), each in rows[rows["kind"] == "rule"].groupby(["rule", "quantity"], sort=False):
        known = each[each["favourable"].notna()]
        successes = known[known["success"].astype(bool)]
        if not study.varies or known.empty or successes.empty:
            continue
        n, wrong = len(successes), int((~successes["favourable"].astype(bool)).sum())
        lower, upper = binomial_limits(wrong, n)
        yield {
            "rule": rule, "quantity": quantity, "measure": WRONG, "fits": n, "successes": wrong, "share": wrong / n,
            "lower": lower, "upper": upper,
        }  # fmt: skip


def _together(study: TrialsStudy, rules: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of all fits that did not fail, those in which every rule, and in which any of them, decides for success."""
    rows = study.found.rows
    own = rows[(rows["kind"] == "rule") & rows["rule"].isin(rules)]
    met = own.groupby("fit")["success"].agg(lambda success: int(success.astype(bool).sum()))
    if met.empty:
        return
    for measure, count in ((ALL_MET, int((met == len(rules)).sum())), (ANY_MET, int((met > 0).sum()))):
        lower, upper = binomial_limits(count, len(met))
        yield {
            "rule": ", ".join(rules), "quantity": "", "measure": measure, "fits": len(met), "successes": count,
            "share": count / len(met), "lower": lower, "upper": upper,
        }  # fmt: skip


def quantities_table(studies: Sequence[TrialsStudy]) -> pd.DataFrame:
    """Bias, coverage and width of each kept quantity in each study.

    Parameters
    ----------
    studies : sequence of TrialsStudy

    Returns
    -------
    DataFrame
        study, interval (level of the equal-tailed intervals), and `trials.operating.quantity_table`.
    """
    tables = []
    for study in studies:
        table = study.found.quantities
        if len(table):
            table.insert(0, "study", study.name)
            table.insert(1, "interval", study.found.interval)
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["study", "quantity"])
