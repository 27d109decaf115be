"""Disease rate ratios of a platform trial: what a pre-declared rule decides from their draws, and a report's table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.posterior.archive import require
from bayesmodels.posterior.intervals import beside_prior, flat
from bayesmodels.posterior.monte_carlo import ERROR, error_in_brackets, shown_with_errors, with_errors
from bayesmodels.posterior.wording import chance, estimate
from bayesmodels.reporting.chapter import Chapter, Layouts, LeadLines, Needs, Reading, Tables
from bayesmodels.reporting.first_screen import LEARNED
from bayesmodels.reporting.layout import Layout
from bayesmodels.reporting.page import Section

Verdict = Literal["success", "no success", "futility", "continue"]


@dataclass(frozen=True)
class Decision:
    """What a rule says of one arm.

    Attributes
    ----------
    verdict : {"success", "no success", "futility", "continue"}
        The first two at the final analysis, the last two at an interim one.
    below_success, below_futility : float
        Posterior probabilities that the ratio is below the rule's two ratios.
    mean : float
        Posterior mean of the ratio.
    rule : DecisionRule
    """

    verdict: Verdict
    below_success: float
    below_futility: float
    mean: float
    rule: DecisionRule

    def sentence(self) -> str:
        """The decision in words and numbers."""
        rule = self.rule
        if self.verdict in ("success", "no success"):
            return (
                f"{self.verdict}: Pr(DRR < {rule.success_ratio:g}) = {self.below_success:.3f}, success above "
                f"{rule.success:g}; posterior mean DRR {self.mean:.2f}"
            )
        return (
            f"{self.verdict}: Pr(DRR < {rule.futility_ratio:g}) = {self.below_futility:.3f}, futility below "
            f"{rule.futility:g}; posterior mean DRR {self.mean:.2f}"
        )

    def __repr__(self) -> str:
        return self.sentence()


@dataclass(frozen=True)
class DecisionRule:
    """Success at the final analysis, futility at interim ones, from the posterior of a disease rate ratio.

    Parameters
    ----------
    success_ratio, success : float
        Success if Pr(DRR < success_ratio) > success.
    futility_ratio, futility : float
        Futility if Pr(DRR < futility_ratio) < futility.

    Notes
    -----
    Defaults: the HEALEY ALS Platform Trial master protocol, recommended analysis.
    """

    success_ratio: float = 1.0
    success: float = 0.979
    futility_ratio: float = 0.9
    futility: float = 0.05

    def __post_init__(self):
        problems = [
            f"{name}: expected a probability between 0 and 1, got {getattr(self, name):g}"
            for name in ("success", "futility")
            if not 0 < getattr(self, name) < 1
        ]
        problems += [
            f"{name}: expected a ratio above 0, got {getattr(self, name):g}"
            for name in ("success_ratio", "futility_ratio")
            if not getattr(self, name) > 0
        ]
        if problems:
            raise BadInput(problems)

    def decide(self, draws: npt.ArrayLike, *, final: bool) -> Decision:
        """Decide on one arm.

        Parameters
        ----------
        draws : array (draw,)
            Posterior draws of the arm's disease rate ratio.
        final : bool
            Whether this is the final analysis.

        Raises
        ------
        BadInput
            No draws, or draws that are not positive numbers (the control has no ratio).
        """
        ratio = np.asarray(draws, float).ravel()
        if not ratio.size or not (ratio > 0).all():
            raise BadInput(f"draws: expected ratios above 0, got {ratio.size} of which {(~(ratio > 0)).sum()} are not")
        below_success, below_futility = (float((ratio < at).mean()) for at in (self.success_ratio, self.futility_ratio))
        verdict = self.verdict(below_success, below_futility, final=final)
        return Decision(verdict, below_success, below_futility, float(ratio.mean()), self)

    def verdict(self, below_success: float, below_futility: float, *, final: bool) -> Verdict:
        """What the posterior probabilities that the ratio is below the rule's two ratios lead to."""
        if final:
            return "success" if below_success > self.success else "no success"
        return "futility" if below_futility < self.futility else "continue"


HEALEY_RULE = DecisionRule()


class DiseaseRates(Chapter):
    """Disease rate ratios of the active arms of a platform trial."""

    name = "disease rates"
    needs = Needs(("disease_rate_ratio",))
    shows = "disease_rates"

    def tables(self, reading: Reading) -> Tables:
        """`disease_rates`."""
        return {"disease_rates": disease_rate_table(reading)}

    def layouts(self, reading: Reading) -> Layouts:
        """All are of the disease rate ratio."""
        return {"disease_rates": Layout("disease_rate_ratio")}

    def section(self, reading: Reading) -> Section:
        """Prior beside posterior, with the probabilities that decisions are made on."""
        rule, label, table = HEALEY_RULE, reading.label, reading.tables["disease_rates"]
        rows = [
            {
                "Active arm": row["start_group"],
                f"Posterior median ({label})": estimate(row["median"], row["lower"], row["upper"]),
                "Posterior mean": f"{row['mean']:.2f}",
                f"Prior median ({label})": estimate(row["prior_median"], row["prior_lower"], row["prior_upper"]),
                f"Pr(DRR < {rule.success_ratio:g})": chance(row["probability_slower"]),
                f"Pr(DRR < {rule.futility_ratio:g})": chance(row["probability_futility_ratio"]),
                "Rule, at a final analysis": row["verdict"] or "none: the chains did not converge",
            }
            for row in table.to_dict("records")
        ]
        return Section(
            "Disease rate ratios",
            [
                "The rate ratio multiplies the control's rate of decline and its hazard of death alike: one number "
                "stands for both, and a drug that changes only one of them is described by neither. Below 1 favours "
                "the active arm.",
                f"Rule: success at the final analysis if Pr(DRR < {rule.success_ratio:g}) > {rule.success:g}; futility "
                f"at an interim one if Pr(DRR < {rule.futility_ratio:g}) < {rule.futility:g}. Source: the HEALEY ALS "
                "platform trial's. Whether it was declared for this trial beforehand, the software cannot know.",
            ],
            {
                f"Disease rate ratio by active arm: median and {label}": pd.DataFrame(
                    shown_with_errors(rows, table[ERROR], "Posterior median")
                )
            },
            (),
            "Controls of all regimens enter every arm's ratio.",
        )

    def lead(self, reading: Reading) -> LeadLines:
        """Identified: intervals narrower than the prior's that leave out 1; and others."""
        identified: list[str] = []
        open_questions: list[str] = []
        for row in reading.tables["disease_rates"].to_dict("records"):
            known = row["width_ratio"] < LEARNED and (row["upper"] < 1 or row["lower"] > 1)
            text = (
                f"{row['start_group']}: disease rate ratio {estimate(row['median'], row['lower'], row['upper'])} "
                f"({row['direction']}; decline and hazard of death together), probability "
                f"{chance(row['probability_slower'])} that it is below 1."
            )
            if not known:
                text += _why_open(row)
            text += error_in_brackets(row[ERROR])
            (identified if known else open_questions).append(text)
        return LeadLines(identified, open_questions)


def disease_rate_table(reading: Reading) -> pd.DataFrame:
    """Disease rate ratio of every active arm, prior beside posterior, and what `HEALEY_RULE` says of it.

    Returns
    -------
    DataFrame
        start_group, unit, mean, sd, median, lower, upper, prior_median, prior_sd, prior_lower, prior_upper,
        width_ratio, probability_slower and probability_futility_ratio (Pr below the rule's two ratios, 1 and .9),
        verdict (of the rule at a final analysis; blank where the chains did not converge), direction,
        monte_carlo_error.

    Raises
    ------
    MissingVariable
        The posterior publishes no `disease_rate_ratio`.
    """
    require(reading.tree, variables=["disease_rate_ratio"])
    context, prior = reading.context, reading.prior("disease_rate_ratio")
    posterior = _active(reading.posterior("disease_rate_ratio"))
    table = beside_prior(posterior, None if prior is None else _active(prior), reading.prob).assign(unit="ratio")
    decisions = [HEALEY_RULE.decide(flat(posterior.sel(start_group=g)), final=True) for g in table["start_group"]]
    table = table.assign(
        probability_slower=[decision.below_success for decision in decisions],
        probability_futility_ratio=[decision.below_futility for decision in decisions],
        verdict=["" if context.unconverged else decision.verdict for decision in decisions],
        direction="below 1 favours the active arm",
    )
    return with_errors(table, {"disease_rate_ratio": posterior}, context, "disease_rate_ratio")


def _active(ratio: xr.DataArray) -> xr.DataArray:
    """Draws of the arms that have a ratio."""
    return ratio.isel(start_group=~ratio.isnull().all(("chain", "draw")).to_numpy())


def _why_open(row: dict[str, Any]) -> str:
    """Why a ratio is an open question."""
    if row["lower"] <= 1 <= row["upper"]:
        return " The interval contains 1."
    compared = row["width_ratio"] == row["width_ratio"]  # not NaN
    return " Close to the prior." if compared else " No prior is archived to compare with."
