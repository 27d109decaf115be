"""The chapter of the trial rung: tables, figures and sections."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayesmodels.posterior.monte_carlo import ERROR
from bayesmodels.posterior.wording import chance, estimate, fixed
from bayesmodels.reporting.chapter import Chapter, Layouts, LeadLines, Makers, Needs, Reading, Tables
from bayesmodels.reporting.chapters.trial_level.figures import described, trial_figures
from bayesmodels.reporting.chapters.trial_level.first_screen import ENDS, trial_lead
from bayesmodels.reporting.drawing import LazyFigures
from bayesmodels.reporting.layout import Layout, Statistic
from bayesmodels.reporting.page import Picture, Section
from bayesmodels.surrogacy.trial_level.draws import limits
from bayesmodels.surrogacy.trial_level.evidence import TrialEvidence, as_ratio, ratio_said
from bayesmodels.surrogacy.trial_level.new_trial import TrialPrediction

ALWAYS = 0.95
"""Level of the intervals of refits, which are computed with the fit."""

KINDS = {0: "", 1: "below ", 2: "above ", 3: ""}


class TrialLevel(Chapter):
    """The rung of trials, from the posterior of a trial-level model."""

    name = "trial level"
    needs = Needs(("trial_correlation",), ("observed_summary",), made_by="bayesmodels trial-level TABLE")

    def tables(self, reading: Reading) -> Tables:
        """`trial_effects`, `trial_thresholds`, `new_trial`, `unused_rows`, `leave_one_out`, `trials_needed`."""
        evidence = reading.trials
        if evidence is None:
            return {}
        return {
            "trial_effects": evidence.rows,
            "trial_thresholds": evidence.thresholds,
            "new_trial": pd.DataFrame() if reading.new_trial is None else reading.new_trial.table,
            "unused_rows": evidence.unused,
            "leave_one_out": evidence.leave_one_out,
            "trials_needed": evidence.needed,
        }

    def layouts(self, reading: Reading) -> Layouts:
        """Reported effects are data; units are those of the endpoints."""
        return {} if reading.trials is None else _layouts(reading.trials, reading.prob)

    def figures(self, reading: Reading) -> Makers:
        """Bubbles, R2, threshold, leave-one-out and influence, those that the evidence allows."""
        return {} if reading.trials is None else trial_figures(reading.trials, reading.prob)

    def section(self, reading: Reading) -> Iterator[Section]:
        """All sections of the trial rung."""
        evidence, label, figures = reading.trials, reading.label, reading.figures
        if evidence is None:
            return
        yield _verdict_section(evidence, figures, label, reading.prob)
        yield _effects_section(evidence, figures, label)
        yield _threshold_section(evidence, figures)
        if reading.new_trial is not None:
            yield _new_trial_section(reading.new_trial, label)
        if len(evidence.leave_one_out):
            yield _leave_one_out_section(evidence, figures)
        if len(evidence.needed):
            yield _needed_section(evidence)
        if len(evidence.unused):
            table = evidence.unused.rename(columns={"row": "Row", "trial": "Trial", "reason": "Reason"})
            yield Section(
                "Rows that were not used", (), {"Rows of the table, and why": table[["Trial", "Row", "Reason"]]}
            )

    def lead(self, reading: Reading) -> LeadLines:
        """The verdict, what is identified, and what is not."""
        if reading.trials is None:
            return LeadLines()
        parameters = reading.tables.get("parameters", pd.DataFrame(columns=["name", ERROR])).set_index("name")
        r2_error = float(parameters[ERROR].get("trial_r2", math.nan))
        return trial_lead(reading.trials, reading.label, reading.prob, r2_error, reading.new_trial)

    def summary(self, reading: Reading) -> Mapping[str, Any]:
        """The prediction for a new trial that `[report.new_trial]` asks for; empty without one."""
        found = reading.new_trial
        if found is None:
            return {}
        return {
            "new_trial": {
                **found.trial.model_dump(),
                "prob": found.prob,
                "rows": found.table.to_dict("records"),
                "dominated_by_the_prior": found.dominated,
                "extrapolated": bool(found.outside),
            }
        }


def _layouts(evidence: TrialEvidence, prob: float) -> Layouts:
    """What the columns of the tables are."""
    effects: dict[str, Statistic] = {"within_correlation": Statistic("value", of="within_correlation", context="data")}
    for end, unit in evidence.units.items():
        effects |= {f"{end}_{name}": Statistic(name, of=end, unit=unit, context="data") for name in ("estimate", "se")}
        effects |= {f"{end}_{name}": Statistic(name, of=end, unit=unit) for name in ("median", "lower", "upper")}
        effects[f"{end}_kind"] = Statistic("value", of=f"{end}_kind", context="data")
    surrogate, outcome = evidence.units["surrogate"], evidence.units["outcome"]
    threshold = Statistic("estimate", of="surrogate_effect", unit=surrogate)
    true = {
        column: Statistic(name, of="predicted", unit=outcome)
        for column, name in (("predicted", "median"), ("lower", "lower"), ("upper", "upper"))
    }
    found = {
        f"observed_{edge}": Statistic(edge, of="predicted_estimate", unit=outcome, interval=("eti_predictive", ALWAYS))
        for edge in ("lower", "upper")
    }
    return {
        "trial_effects": Layout("trial_effect", columns=effects, interval=("eti", prob)),
        "trial_thresholds": Layout(
            keys=("level", "margin", "surrogate_effect_known", "surrogate_se"),
            columns={"surrogate_effect": threshold},
            left_out=("ranges",),
        ),
        "new_trial": Layout(
            keys=("assumes", "given"),
            columns={
                **{k: Statistic(k, of="outcome_effect", unit=outcome) for k in ("median", "lower", "upper")},
                **{
                    f"ratio_{k}": Statistic(k, of="outcome_ratio", unit=evidence.measure("outcome").ratio)
                    for k in ("median", "lower", "upper")
                },
                "probability": Statistic("prob", event="benefit in the new trial"),
                "probability_margin": Statistic("prob", event="benefit above the margin in the new trial"),
                "effective_draws": Statistic("ess", of="outcome_effect"),
            },
            interval=("eti_predictive", prob),
        ),
        "unused_rows": None,
        "leave_one_out": Layout(
            columns={**true, **found, "r2": Statistic("median", of="r2")}, interval=("eti", ALWAYS)
        ),
        "trials_needed": Layout(keys=("programmes",)),
    }


def _verdict_section(evidence: TrialEvidence, figures: LazyFigures, label: str, prob: float) -> Section:
    draws, prior = evidence.draws, evidence.prior
    unit_t = evidence.units["outcome"]
    spread = "SD" if np.isinf(draws.degrees_of_freedom) else "Scale (t effects)"
    quantities = (
        ("R²", draws.r2, prior.r2, ""),
        ("Correlation", draws.rho, prior.rho, ""),
        ("Slope", draws.slope, prior.slope, _per(evidence)),
        ("Intercept", draws.intercept, prior.intercept, unit_t),
        (f"{spread} given the surrogate's effect", draws.conditional_sd, prior.conditional_sd, unit_t),
        (f"Mean effect on {evidence.labels['surrogate']}", draws.mean_s, prior.mean_s, evidence.units["surrogate"]),
        (f"Mean effect on {evidence.labels['outcome']}", draws.mean_t, prior.mean_t, unit_t),
        (
            f"{spread} between trials, {evidence.labels['surrogate']}",
            draws.sd_s,
            prior.sd_s,
            evidence.units["surrogate"],
        ),
        (f"{spread} between trials, {evidence.labels['outcome']}", draws.sd_t, prior.sd_t, unit_t),
    )
    rows = [
        {
            "Quantity": name,
            f"Posterior ({label})": estimate(*limits(after, prob)),
            f"Prior ({label})": estimate(*(evidence.prior_r2 if name == "R²" else limits(before, prob))),
            "Unit": unit,
        }
        for name, after, before, unit in quantities
    ]
    backs = (
        ("surrogate", f"Mean effect on {evidence.labels['surrogate']}", draws.mean_s, prior.mean_s),
        ("outcome", f"Mean effect on {evidence.labels['outcome']}", draws.mean_t, prior.mean_t),
        ("outcome", "Intercept", draws.intercept, prior.intercept),
    )
    rows += [
        {
            "Quantity": f"{name}, as a ratio",
            f"Posterior ({label})": as_ratio(limits(after, prob)),
            f"Prior ({label})": as_ratio(limits(before, prob)),
            "Unit": evidence.measure(end).ratio,
        }
        for end, name, after, before in backs
        if evidence.measure(end).ratio
    ]
    table = pd.DataFrame(rows)
    rules = _rules(evidence)
    picture = Picture(
        figures.maker("trial_r2"),
        "Histogram of R squared of effects over trials: posterior over prior.",
        "Where the two look alike, the data have said little.",
    )
    note = (
        "Trial level only: what holds within persons of one trial is another rung, and is not inferred from this one."
    )
    return Section(
        "How far the effects go together over trials",
        [evidence.information.sentence()],
        {"Distribution of true effects over trials": _without_blanks(table), "Rules in use, with their inputs": rules},
        [picture],
        note,
    )


def _rules(evidence: TrialEvidence) -> pd.DataFrame:
    """Rules in use, with their inputs."""
    bses, verdict = evidence.bses3, evidence.verdict
    step = "–" if not bses or bses["step"] is None else fixed(bses["step"], 2)
    after, before = (chance(float(np.mean(draws.r2 > 0.5))) for draws in (evidence.draws, evidence.prior))
    rows = [
        ("Verdict", verdict.verdict, " ".join(verdict.reasons)),
        (
            "Interval of the correlation",
            f"{evidence.information.rho_width_ratio:.2f} times as wide as the prior's",
            f"95 % intervals; not assessable above {evidence.cuts.max_width_ratio:g}",
        ),
        (
            "Information gain",
            f"{evidence.information.bits:.2f} bits",
            "Kullback-Leibler divergence of the correlation from its prior, less the "
            f"{evidence.information.bits_bias:.2f} bits that Monte-Carlo error alone gives",
        ),
        (
            "IQWiG category",
            verdict.iqwig,
            f"Of the correlation alone. 95 % limits of |rho|: from {evidence.cuts.supported_lower:g} valid, up to "
            f"{evidence.cuts.unsupported_upper:g} not",
        ),
        (
            "BSES3, statistics",
            "–" if verdict.verdict == "not assessable" else f"at most {bses.get('rank', '–')}",
            f"R² {fixed(bses.get('r2_trial', np.nan), 2)}, STEP {step}; R² within arms not known here",
        ),
        ("P(R² > .5)", after, f"a priori {before}"),
    ]
    return pd.DataFrame(rows, columns=["Rule", "Answer", "From"])


def _effects_section(evidence: TrialEvidence, figures: LazyFigures, label: str) -> Section:
    rows, ratios = [], []
    for row in evidence.rows.to_dict("records"):
        shown: dict[str, Any] = {"Trial": row["trial"]}
        back: dict[str, Any] = {"Trial": row["trial"]}
        if row["programme"] != row["trial"]:
            shown["Programme"] = row["programme"]
        for end in ENDS:
            name, ratio = evidence.labels[end], evidence.measure(end).ratio
            where = f"{name}, {evidence.units[end]}" if evidence.units[end] else name
            true = tuple(row[f"{end}_{k}"] for k in ("median", "lower", "upper"))
            shown[f"{where}: reported (95 % CI)"] = _reported(row, end)
            shown[f"{where}: shrunken ({label})"] = estimate(*true)
            if ratio:
                back[f"{name}, {ratio}: reported (95 % CI)"] = _reported(row, end, as_ratios=True)
                back[f"{name}, {ratio}: shrunken ({label})"] = as_ratio(true)
        shown["Certainty"] = row["certainty"]
        rows.append(shown)
        ratios.append(back)
    picture = Picture(
        figures.maker("trial_bubbles"),
        "Effect on the outcome against effect on the surrogate, one bubble a trial, with regression line and bands.",
        f"Bubbles: reported effects with 95 % CI, area by precision. Blue: line with {label}. Grey: true effect in a "
        "new trial. Dashed green, if there is one: threshold at 97.5 %.",
    )
    return Section(
        "Effects by trial, reported and shrunken",
        ["Shrunken: each trial's true effects given all trials; the less precise, the closer to the others."]
        + ([evidence.measures_said] if evidence.measures_said else []),
        {
            "Effects, active minus control": _without_blanks(pd.DataFrame(rows).fillna("")),
            **({"The same effects as ratios": pd.DataFrame(ratios)} if any(len(each) > 1 for each in ratios) else {}),
        },
        [picture],
        "Rows of one programme are parts of one trial; they count as one contrast.",
    )


def _threshold_section(evidence: TrialEvidence, figures: LazyFigures) -> Section:
    if not len(evidence.thresholds):
        return Section("Surrogate threshold effect", [f"Not computed: {evidence.threshold_reason}."])
    unit, ratio = evidence.units["surrogate"], evidence.measure("surrogate").ratio
    rows = []
    for row in evidence.thresholds.to_dict("records"):
        shown = {
            "Probability": f"{100 * row['level']:g} %",
            f"Outcome better than{_in(evidence.units['outcome'])}": _margin(evidence, row["margin"]),
            "Surrogate effect": "known" if row["surrogate_effect_known"] else f"SE {fixed(row['surrogate_se'], 3)}",
            f"Threshold{_in(unit)}": described(row["surrogate_effect"]),
        }
        if ratio:
            effect = row["surrogate_effect"]
            exists = effect is not None and not np.isnan(effect)
            shown[f"Threshold, {ratio}"] = fixed(float(np.exp(effect)), 2) if exists else "does not exist"
        rows.append(shown)
    why = list(
        dict.fromkeys(f"{row.level:.1%}: {row.reason}." for row in evidence.thresholds.itertuples() if row.reason)
    )
    paradox = evidence.paradox
    said = (
        f"Probability that a new trial of this kind is good for {evidence.labels['surrogate']} and harms: "
        f"{chance(paradox['joint'])}; harm among those that are good for it: {chance(paradox['given_good_surrogate'])}."
    )
    picture = Picture(
        figures.maker("trial_threshold"),
        "Probability of benefit in a new trial against its effect on the surrogate.",
        f"Solid: surrogate effect known. Dotted: estimated with SE {fixed(evidence.typical_se, 3)}, the median here. A "
        "curve that passes a probability and falls below it again, here or farther out, has no threshold for it.",
    )
    return Section(
        "Surrogate threshold effect and paradox",
        [
            "The smallest effect on the surrogate such that for it, and every larger one, a better outcome in a new "
            "trial is predicted with the stated probability. One curve less from 1 is the probability of harm.",
            said,
            *([f"Why some do not exist. {' '.join(why)}"] if why else []),
        ],
        {"Thresholds": pd.DataFrame(rows)},
        [picture],
        "True effect in a new trial, over the posterior of the regression. It may not exist.",
    )


def _new_trial_section(found: TrialPrediction, label: str) -> Section:
    evidence, trial = found.evidence, found.trial
    unit, ratio = _in(evidence.units["outcome"]), evidence.measure("outcome").ratio
    rows = []
    for row in found.table.to_dict("records"):
        shown = {
            "Assumes": row["assumes"],
            "Given": row["given"],
            f"True effect on {evidence.labels['outcome']}{unit} ({label}, prediction)": estimate(
                row["median"], row["lower"], row["upper"]
            ),
        }
        if ratio:
            shown[ratio] = as_ratio((row["median"], row["lower"], row["upper"]))
        if not math.isnan(row["probability"]):
            shown["P(benefit)"] = chance(row["probability"])
        if not math.isnan(row["probability_margin"]):
            shown[f"P(better than {_margin(evidence, evidence.margin or 0.0)})"] = chance(row["probability_margin"])
        rows.append(shown)
    return Section(
        "Prediction for a new trial",
        [found.sentence()],
        {f"{trial.name[0].upper()}{trial.name[1:]}: with the table, and by the prior alone": pd.DataFrame(rows)},
        (),
        f"Of the kind in the table: its effect on {evidence.labels['surrogate']} is drawn towards theirs and informs "
        "the model, too. At face value: it is taken as estimated, as in surrogate threshold effects. True effects, "
        "without the new trial's own error in the outcome.",
    )


def _leave_one_out_section(evidence: TrialEvidence, figures: LazyFigures) -> Section:
    found, kept = evidence.rows.set_index("trial"), evidence.judged_rows
    unit, ratio = _in(evidence.units["outcome"]), evidence.measure("outcome").ratio
    rows = [
        {
            "Trial": row["trial"],
            f"Reported{unit}": fixed(float(found.loc[row["trial"], "outcome_estimate"]), 3),
            f"Predicted true effect{unit}": estimate(row["predicted"], row["lower"], row["upper"]),
            **({f"Predicted, {ratio}": as_ratio((row["predicted"], row["lower"], row["upper"]))} if ratio else {}),
            "Interval of its estimate": f"{fixed(row['observed_lower'], 2)} to {fixed(row['observed_upper'], 2)}",
            "Inside": "yes" if row["inside"] else "no",
            "PIT": fixed(row["pit"], 2),
            "Width ratio": fixed(row["width_ratio"], 2),
            "R² without it (95 %)": estimate(row["r2"], row["r2_lower"], row["r2_upper"]),
            "Refit converged": "yes" if row["converged"] else "no",
        }
        for row in evidence.leave_one_out.to_dict("records")
    ]
    pictures = [
        Picture(
            figures.maker("trial_leave_one_out"),
            "Reported outcome effect of each trial beside its prediction from the other programmes.",
            "Line: predicted true effect; pale bar: the estimate such a trial would find; marker: what it found, "
            "hollow if outside.",
        ),
        Picture(
            figures.maker("trial_influence"),
            "R squared without each programme.",
            "Median and interval of R² without each programme; grey: with all.",
        ),
    ]
    return Section(
        "Leaving out one programme at a time",
        [
            f"{kept['inside'].sum():.0f} of {len(kept)} estimates lie inside their 95 % predictive "
            f"intervals{_left_out(evidence)}. Coverage says little where the intervals are wide: a width ratio above "
            "2 means that the "
            "surrogate replaces the outcome at more than twice its standard error."
        ],
        {"Predicted from the other programmes and the trial's own effect on the surrogate": pd.DataFrame(rows)},
        pictures if len(kept) else (),
        "Width ratio: interval of the predicted true effect over the trial's own confidence interval. PIT: share of "
        "the prediction below the estimate.",
    )


def _left_out(evidence: TrialEvidence) -> str:
    """How many refits are not counted, since they did not converge."""
    lost = len(evidence.leave_one_out) - len(evidence.judged_rows)
    return f" ({lost} more not counted: their refits did not converge)" if lost else ""


def _needed_section(evidence: TrialEvidence) -> Section:
    table = evidence.needed
    shown = pd.DataFrame(
        {
            "Programmes": table["programmes"],
            "Mean width of R²'s 95 % interval": [fixed(v, 2) for v in table["mean_width"]],
            "Mean lower limit": [fixed(v, 2) for v in table["mean_lower"]],
            "Called supported": [f"{100 * v:.0f} %" for v in table["supported"]],
            "Not assessable": [f"{100 * v:.0f} %" for v in table["not_assessable"]],
            "Refits that did not converge": [f"{100 * v:.0f} %" for v in table["unconverged"]],
        }
    )
    r2, replicates = float(table["r2"].iloc[0]), int(table["replicates"].iloc[0])
    return Section(
        "How many programmes are needed",
        [f"Simulated: {replicates} collections a size with a true R² of {r2:g}, standard errors as in this table."],
        {"What collections of that size would say": shown},
        (),
        "SDs between trials are the stated scales; few replicates, so shares are rough.",
    )


def _reported(row: dict[str, Any], end: str, as_ratios: bool = False) -> str:
    """An effect as reported, or the ratio whose logarithm it is."""
    if row[f"{end}_kind"] == 3:
        return "not reported"
    value, se = row[f"{end}_estimate"], row[f"{end}_se"]
    if row[f"{end}_kind"] != 0:
        bound = ratio_said(float(np.exp(value))) if as_ratios else f"{fixed(value, 2)} (SE {fixed(se, 2)})"
        return f"{KINDS[int(row[f'{end}_kind'])]}{bound}"
    found = (value, value - 1.96 * se, value + 1.96 * se)
    return as_ratio(found) if as_ratios else estimate(*found)


def _without_blanks(table: pd.DataFrame) -> pd.DataFrame:
    """The table without columns that are blank throughout."""
    return table[[name for name in table if (table[name].astype(str) != "").any()]]


def _in(unit: str) -> str:
    """A unit at the end of a heading."""
    return f", {unit}" if unit else ""


def _margin(evidence: TrialEvidence, margin: float) -> str:
    """A margin in the outcome's good direction; beside a log ratio, the ratio that it is."""
    if not margin:
        return "0"
    ratio = evidence.measure("outcome").ratio
    if not ratio:
        return fixed(margin, 2)
    signed = margin if evidence.good["outcome"] == "up" else -margin
    return f"{fixed(signed, 2)} ({ratio} {ratio_said(float(np.exp(signed)))})"


def _per(evidence: TrialEvidence) -> str:
    above, below = evidence.units["outcome"], evidence.units["surrogate"]
    return f"{above} per {below}" if above and below else ""
