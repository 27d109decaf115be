"""Names of dims and published variables: the contract between models and reports.

A model publishes under these names (`bayesmodels.models.publish`); a report reads them by name and dims and never
sees the model. Undefined entries (the lag of an outcome whose effect has none) are NaN and reports drop them.

Units are templates: `{unit}` is the outcome's unit on its modelling scale (``ln`` for log outcomes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["population", "curve", "visit", "person", "trial", "row"]

MONTH_IN_WEEKS = 365.25 / 12 / 7
"""Weeks in a month, 4.348: tables are in weeks, models in months."""

ALL = "all"
"""Label of the only stratum of an unstratified study, and of the trial's mixture of strata."""


def months(weeks):
    """Months since randomisation from weeks."""
    return weeks / MONTH_IN_WEEKS


@dataclass(frozen=True)
class Variable:
    """A published variable: its dims, unit template, meaning and level (`visit`: read by surrogacy, in no table)."""

    name: str
    dims: tuple[str, ...]
    unit: str
    meaning: str
    level: Level = "population"


DIMS: dict[str, str] = {
    "outcome": "biomarker or clinical outcome; coordinates unit, scale, good_direction, effect_type, effect_unit",
    "stratum": "randomisation stratum, or 'all'",
    "start_group": "randomised group, by when the drug starts",
    "contrast": "'<start group> - <reference group>'",
    "week": "weeks since randomisation",
    "visit_week": "weeks since randomisation of the trial's nominal visits, week 0 first",
    "period": "before_switch, after_switch, last_year",
    "term": "person-level term, '<outcome>:level', '<outcome>:rate', '<outcome>:effect'",
    "term_other": "the same terms again",
    "person": "person, relabelled 0..n-1 in any stored posterior",
    "covariate": "column of the persons table used by the model",
    "event": "event type",
    "form": "value, rate, area or terms",
    "endpoint": "surrogate, outcome; coordinates label, endpoint_unit, good",
    "trial": "row of a table of trials: one randomised contrast",
    "treatment_class": "class of the active treatment",
    "regimen": "part of a platform trial, with its own share of the control group",
    "calendar_block": "block of calendar time in which a person was randomised, numbered from 0",
}

PERIODS = ("before_switch", "after_switch", "last_year")

_ALL = (
    Variable("population_level", ("outcome", "stratum"), "{unit}", "mean at randomisation"),
    Variable("population_rate", ("outcome", "stratum"), "{unit} per month", "mean rate at randomisation, off drug"),
    Variable("drug_effect", ("outcome", "stratum"), "{effect_unit}", "mean effect of the drug over start groups"),
    Variable(
        "group_drug_effect",
        ("outcome", "stratum", "start_group"),
        "{effect_unit}",
        "effect of the drug in those who start it in this group",
    ),
    Variable("group_effect_sd", ("outcome",), "{effect_unit}", "SD of the drug effect between start groups"),
    Variable("effect_lag", ("outcome",), "months", "from the drug's start to the first effect"),
    Variable("effect_time_constant", ("outcome",), "months", "time constant of the approach to the plateau"),
    Variable(
        "follow_gain", ("outcome",), "{unit} per month per unit followed", "rate per drug change of another outcome"
    ),
    Variable("deceleration", ("outcome",), "per month", "rate at which the untreated course flattens"),
    Variable("proportional_slowing", ("outcome",), "proportion", "share of the untreated rate that the drug removes"),
    Variable("extension_shift", ("outcome",), "{unit}", "shift common to both groups at the extension's visits"),
    Variable("covariate_level", ("outcome", "covariate"), "{unit} per SD", "change of the level per SD of a covariate"),
    Variable("covariate_rate", ("outcome", "covariate"), "{unit} per month per SD", "change of the rate per SD"),
    Variable("covariate_effect", ("outcome", "covariate"), "{effect_unit} per SD", "change of the effect per SD"),
    Variable("person_sd", ("term", "stratum"), "{term_unit}", "SD between persons"),
    Variable("person_correlation", ("term", "term_other"), "correlation", "correlation between persons' terms"),
    Variable("residual_sd", ("outcome", "stratum"), "{unit}", "SD of a visit about the person's own course"),
    Variable(
        "wander_sd",
        ("outcome", "stratum"),
        "{unit} per square root of a month",
        "SD of the Brownian path about the person's own course",
    ),
    Variable(
        "disease_rate_ratio",
        ("start_group",),
        "ratio",
        "rate of decline and hazard of death over the control's, below 1 is slower; undefined for the control",
    ),
    Variable("untreated_hazard", (), "per month", "hazard of death or permanent ventilation in the control"),
    Variable("regimen_log_rate", ("regimen",), "log rate", "log ratio of a regimen's rate of decline to the mean's"),
    Variable("regimen_log_rate_sd", (), "log rate", "SD of regimens' log rates"),
    Variable("calendar_log_rate", ("calendar_block",), "log rate", "log ratio of a block's rate to the first one's"),
    Variable("calendar_log_rate_sd", (), "log rate", "SD of the drift's step from block to block"),
    Variable("covariate_log_rate", ("covariate",), "log rate per unit", "change of the log rate of decline"),
    Variable("arm_level", ("regimen", "start_group"), "points", "mean at randomisation of a regimen's arm"),
    Variable("arm_rate_sd", ("start_group",), "points per month", "SD between persons of the untreated rate"),
    Variable("arm_residual_sd", ("regimen", "start_group"), "points", "SD of a visit about the person's own course"),
    Variable("curve", ("outcome", "start_group", "stratum", "week"), "{unit}", "mean course", "curve"),
    Variable(
        "curve_change",
        ("outcome", "start_group", "stratum", "week"),
        "{unit}",
        "mean change since randomisation",
        "curve",
    ),
    Variable(
        "difference",
        ("outcome", "contrast", "stratum", "week"),
        "{unit}",
        "group minus reference group in mean course",
        "curve",
    ),
    Variable(
        "period_rate",
        ("outcome", "start_group", "stratum", "period"),
        "{unit} per month",
        "average rate over a period",
        "curve",
    ),
    Variable("trial_mean", ("endpoint",), "{endpoint_unit}", "mean of the true effects over trials", "trial"),
    Variable(
        "trial_sd",
        ("endpoint",),
        "{endpoint_unit}",
        "SD of the true effects between trials; their scale where t",
        "trial",
    ),
    Variable("trial_correlation", (), "correlation", "correlation of the true effects over trials", "trial"),
    Variable("trial_r2", (), "proportion", "squared correlation of the true effects over trials", "trial"),
    Variable("trial_slope", (), "{slope_unit}", "effect on the outcome per effect on the surrogate", "trial"),
    Variable("trial_intercept", (), "{outcome_unit}", "effect on the outcome without one on the surrogate", "trial"),
    Variable(
        "trial_conditional_sd", (), "{outcome_unit}", "SD of the effect on the outcome given the surrogate's", "trial"
    ),
    Variable(
        "within_correlation",
        (),
        "correlation",
        "correlation of a trial's two estimates, where it is not known",
        "trial",
    ),
    Variable("class_mean", ("treatment_class", "endpoint"), "{endpoint_unit}", "mean of a class's effects", "trial"),
    Variable("class_sd", ("treatment_class", "endpoint"), "{endpoint_unit}", "SD of a class's effects", "trial"),
    Variable("class_correlation", ("treatment_class",), "correlation", "correlation within a class", "trial"),
    Variable("trial_degrees_of_freedom", (), "", "of t-distributed true effects; absent where normal", "trial"),
    Variable("trial_effect", ("trial", "endpoint"), "{endpoint_unit}", "true effects of a trial, shrunken", "row"),
    Variable(
        "trial_r2_full", (), "proportion", "R2 of the outcome's effect on the surrogate's effect and level", "trial"
    ),
    Variable("individual_correlation", (), "correlation", "correlation of the two values within an arm", "trial"),
    Variable("individual_r2", (), "proportion", "squared correlation of the two values within an arm", "trial"),
    Variable("individual_slope", (), "{slope_unit}", "slope of the outcome on the surrogate within an arm", "trial"),
    Variable("patient_sd", ("endpoint",), "{endpoint_unit}", "SD between patients of an arm in a cluster", "trial"),
    Variable("level_mean", ("endpoint",), "{endpoint_unit}", "mean level over clusters, midway between arms", "trial"),
    Variable("level_sd", ("endpoint",), "{endpoint_unit}", "SD of the level between clusters", "trial"),
    Variable("visit_mean", ("outcome", "start_group", "stratum", "visit_week"), "{unit}", "mean at a visit", "visit"),
    Variable(
        "person_basis",
        ("outcome", "term", "start_group", "visit_week"),
        "{unit} per unit of the term",
        "what a person's term adds to the outcome's true value at a visit",
        "visit",
    ),
)

VARIABLES: dict[str, Variable] = {v.name: v for v in _ALL}
"""Every published variable, by name."""
