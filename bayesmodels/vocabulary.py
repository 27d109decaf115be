"""Names of dims and published variables: the contract between models and reports.

A model publishes under these names (`bayesmodels.models.publish`); a report reads them by name and dims and never
sees the model. Undefined entries (the lag of an outcome whose effect has none) are NaN and reports drop them.

Units are templates: `{unit}` is the outcome's unit on its modelling scale (``ln`` for log outcomes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Level = Literal["population", "curve", "visit", "person", "trial", "row", "event", "report"]

MONTH_IN_WEEKS = 365.25 / 12 / 7
"""Weeks in a month, 4.348: tables are in weeks, models in months."""

FIRST_DOSE_WINDOW = 1.0
"""Weeks: a start group that starts the drug later than this starts after randomisation, not with it."""

ALL = "all"
"""Label of the only stratum of an unstratified study, and of the trial's mixture of strata."""


def months(weeks):
    """Months since randomisation from weeks.

    Parameters
    ----------
    weeks : float or array
    """
    return weeks / MONTH_IN_WEEKS


@dataclass(frozen=True)
class Variable:
    """A published variable, with all that its readers need to know of it.

    Parameters
    ----------
    name : str
    dims : tuple of str
        Axes in order; draws have (chain, draw) before them.
    unit : str
        Template (see the module).
    meaning : str
    level : str
        Level `visit` is read by surrogacy and is in no table; `event` is of a group of its own (`GROUPS`).
    label : str
        Name in sentences for readers; blank where it is in none.
    scale : {"linear", "log"}
        On which the widths of its posterior and prior intervals are compared: `log` for positive parameters whose
        priors span orders of magnitude.
    effect : {"", "size", "time"}
        Place in the table of drug effects: how large an effect is, or how it comes about in time.
    favours : {"", "outcome", "positive"}
        Which sign says that the drug helps: the outcome's good one, a positive one, or neither.
    made_by : str
        Line of a configuration that makes it, where one line does.
    would_teach : str
        What would teach more about it, as a sentence; blank where it is not among the headlines.
    refitted : bool
        Whether fits of many simulated data sets evaluate it.
    report : str
        Of `REPORTS`: the report that any one of its variables makes possible.
    """

    name: str
    dims: tuple[str, ...]
    unit: str
    meaning: str
    level: Level = "population"
    label: str = ""
    scale: Literal["linear", "log"] = "linear"
    effect: Literal["", "size", "time"] = ""
    favours: Literal["", "outcome", "positive"] = ""
    made_by: str = ""
    would_teach: str = ""
    refitted: bool = False
    report: str = ""


@dataclass(frozen=True)
class Group:
    """A group of a posterior.

    Parameters
    ----------
    name : str
    meaning : str
    variables : dict of str to Variable
        Those that stand in this group only.
    made_by : str
        Line of a configuration that makes it, where one line does.
    report : str
        Of `REPORTS`: the report that needs every one of its groups.
    persons : bool
        Whether it holds persons' data, relabelled: a file with such a group is patient data.
    """

    name: str
    meaning: str
    variables: dict[str, Variable] = field(default_factory=dict)
    made_by: str = ""
    report: str = ""
    persons: bool = False


REPORTS = {
    "effects": True,
    "curves": True,
    "delayed start": True,
    "period rates": True,
    "surrogate, between persons": True,
    "prior beside posterior": True,
    "predictive checks": True,
    "comparison by person": True,
    "random effects": True,
    "events and associations": False,
    "survival and estimands": False,
    "other forms of the model": False,
    "dropout sensitivity": False,
    "rank analyses": False,
    "dynamic prediction": False,
}
"""Reports in a page's order, and whether a page lists the absence of one; the others are for few posteriors only."""


DIMS: dict[str, str] = {
    "outcome": "biomarker or clinical outcome; coordinates unit, scale, good_direction, effect_type, effect_unit",
    "stratum": "randomisation stratum, or 'all'",
    "start_group": "randomised group, by when the drug starts",
    "contrast": "'<start group> - <reference group>'",
    "week": "weeks since randomisation",
    "visit_week": "weeks since randomisation of the trial's nominal visits, week 0 first",
    "visit": "nominal visit of a model of means by visit, weeks since randomisation",
    "visit_other": "the same visits again",
    "outcome_other": "the same outcomes again",
    "period": "before_switch, after_switch, last_year",
    "term": "person-level term, '<outcome>:level', ':rate', ':effect' or a part's own; coordinate term_unit",
    "term_other": "the same terms again",
    "person": "person, relabelled 0..n-1 in any stored posterior",
    "covariate": "column of the persons table used by the model",
    "event": "event type; coordinate terminal",
    "form": "value, rate, area or terms:<term>",
    "hazard_covariate": "covariate, start group, stratum or drug that acts on a hazard; coordinate hazard_unit",
    "endpoint": "surrogate, outcome; coordinates label, endpoint_unit, good, measure",
    "trial": "row of a table of trials: one randomised contrast",
    "treatment_class": "class of the active treatment",
    "landmark": "weeks since randomisation at which a prediction is made",
    "horizon": "weeks from the landmark to the end of the window predicted",
    "risk_group": "group of persons with like predicted risks, the lowest first",
    "example": "person shown as an example, renumbered from 0",
    "example_visit": "visit of an example person, in order",
    "strategy": "what is supposed of those who left",
    "delta_group": "how much worse those who left the contrast's first group are than without delta",
    "delta_reference": "the same in its reference group",
    "delta_path": "where delta grows: in the contrast's first group, in its reference group, or in both alike",
    "analysis": "rank analysis, or ANCOVA, of the study's own data; coordinates quantity, unit, favours",
    "replicate": "trial replicated by the model",
    "regimen": "part of a platform trial, with its own share of the control group",
    "external_trial": "trial that external persons are of; coordinate of a model that borrows from them",
    "calendar_block": "block of calendar time in which a person was randomised, numbered from 0",
}

PERIODS = ("before_switch", "after_switch", "last_year")

_RANDOMISED = "A larger randomised comparison of drug and no drug would change this."
_VISIT = '[model] type = "visit"'
_LONGITUDINAL = '[model] type = "longitudinal"'
_BORROWING = 'borrowing = {type = "robust_mixture", trial = "..."} under [model]'
_WEEKS = "[study] curve_weeks = [0, 28, 52]"
_LIMITS = "limits = [low, high] under [[model.outcomes]]"
_TRIALS = '[model] type = "trial_level"'
_CLASSES = '[model] classes = "exchangeable"'

_ALL = (
    Variable(
        "population_level", ("outcome", "stratum"), "{unit}", "mean at randomisation", made_by=_LONGITUDINAL,
        refitted=True,
    ),
    Variable(
        "population_rate", ("outcome", "stratum"), "{unit} per month", "mean rate at randomisation, off drug",
        refitted=True,
    ),
    Variable(
        "trial_drift", ("outcome", "stratum", "external_trial"), "{unit} per month",
        "untreated rate at week 0 of an external trial minus the trial's own", made_by=_BORROWING, refitted=True,
    ),
    Variable(
        "trial_drift_sd", ("outcome", "stratum"), "{unit} per month", "SD of external trials' rates about our own",
        scale="log", made_by=_BORROWING,
    ),
    Variable(
        "narrow_drift_probability", ("outcome", "stratum", "external_trial"), "probability",
        "that the drift is of the narrow component of a robust mixture", made_by=_BORROWING, refitted=True,
    ),
    Variable(
        "external_level", ("outcome", "stratum", "external_trial"), "{unit}", "mean at week 0 of an external trial",
        made_by=_BORROWING,
    ),
    Variable(
        "drug_effect", ("outcome", "stratum"), "{effect_unit}", "mean effect of the drug over start groups",
        label="effect of the drug", effect="size", favours="outcome",
        made_by='[[model.outcomes]] effect = {type = "plateau"}  (any type but "none")', would_teach=_RANDOMISED,
        refitted=True, report="effects",
    ),
    Variable(
        "group_drug_effect", ("outcome", "stratum", "start_group"), "{effect_unit}",
        "effect of the drug in those who start it in this group", effect="size", favours="outcome",
        made_by='[[model.outcomes]] effect = {type = "plateau"}  with [model] pooling = "partial"', refitted=True,
        report="effects",
    ),
    Variable(
        "proportional_slowing", ("outcome", "stratum"), "proportion",
        "share of the untreated rate that the drug removes, mean over start groups",
        label="share of the decline that the drug removes", effect="size", favours="positive",
        made_by='[[model.outcomes]] effect = {type = "proportional_slowing"}', would_teach=_RANDOMISED, refitted=True,
    ),
    Variable(
        "group_effect_contrast", ("outcome", "stratum", "contrast"), "{effect_unit}",
        "effect in a later start group minus the earliest's", "report",
        label="effect in the later minus the earlier start", effect="size",
        would_teach="More persons followed well past the switch in both start groups would change this.",
    ),
    Variable(
        "group_effect_sd", ("outcome",), "{effect_unit}", "SD of the drug effect between start groups", effect="size",
        made_by='[model] pooling = "partial"', refitted=True,
    ),
    Variable(
        "effect_lag", ("outcome",), "months", "from the drug's start to the first effect", label="lag of the effect",
        scale="log", effect="time", made_by='[[model.outcomes]] effect = {type = "plateau"}  (an effect with a lag)',
        would_teach="Frequent visits soon after the start of a drug with a clear effect would change this.",
        refitted=True,
    ),
    Variable(
        "effect_time_constant", ("outcome",), "months", "time constant of the approach to the plateau",
        label="time constant of the effect", scale="log", effect="time",
        made_by='[[model.outcomes]] effect = {type = "plateau"}',
        would_teach="Frequent visits soon after the drug's start would change this.", refitted=True,
    ),
    Variable(
        "follow_gain", ("outcome",), "{unit} per month per unit followed", "rate per drug change of another outcome",
        made_by='[[model.outcomes]] effect = {type = "follows", outcome = ...}',
    ),
    Variable(
        "deceleration", ("outcome",), "per month", "rate at which the untreated course flattens",
        label="flattening of the untreated course", scale="log", effect="time",
        made_by='[[model.outcomes]] trajectory = {type = "decelerating"}',
        would_teach="Longer follow-up of persons off the drug would change this.", refitted=True,
    ),
    Variable(
        "extension_shift", ("outcome",), "{unit}", "shift common to both groups at the extension's visits",
        effect="time",
    ),
    Variable(
        "covariate_level", ("outcome", "covariate"), "{unit} per SD", "change of the level per SD of a covariate",
        made_by='[model] covariates = {level = ["age"], rate = [], effect = []}',
    ),
    Variable(
        "covariate_rate", ("outcome", "covariate"), "{unit} per month per SD", "change of the rate per SD",
        made_by='[model] covariates = {level = [], rate = ["age"], effect = []}',
    ),
    Variable(
        "covariate_effect", ("outcome", "covariate"), "{effect_unit} per SD", "change of the effect per SD",
        made_by='[model] covariates = {level = [], rate = [], effect = ["age"]}',
    ),
    Variable(
        "person_sd", ("term", "stratum"), "{term_unit}", "SD between persons", made_by=_LONGITUDINAL, refitted=True,
    ),
    Variable(
        "person_correlation", ("term", "term_other"), "correlation", "correlation between random effects",
        made_by=_LONGITUDINAL, refitted=True,
    ),
    Variable(
        "residual_sd", ("outcome", "stratum"), "{unit}", "SD of a visit about the person's own course",
        made_by=_LONGITUDINAL, refitted=True,
    ),
    Variable(
        "rate_skewness", ("outcome",), "log SD",
        "skewness of persons' rates: log SD of a shifted log-normal, 0 is normal",
        made_by="rate_skewness = {sd = ...} under [[model.outcomes]]", refitted=True,
    ),
    Variable(
        "random_walk_sd", ("outcome", "stratum"), "{unit} per square root of a month",
        "SD of the random walk about the person's own course",
        made_by="random_walk_sd = {sd = ...} under [[model.outcomes]]", refitted=True,
    ),
    Variable(
        "random_walk_time_constant", ("outcome",), "months",
        "months since randomisation in which the SD of the random walk's steps shrinks to 1 / e",
        made_by="random_walk_time_constant = {median = ..., sigma = ...} under [[model.outcomes]]", refitted=True,
    ),
    Variable(
        "walk_correlation", ("outcome", "outcome_other"), "correlation",
        "correlation between the steps of the outcomes' random walks",
        made_by="walk_correlation = 1.0 under [model]", refitted=True,
    ),
    Variable(
        "disease_rate_ratio", ("start_group",), "ratio",
        "rate of decline and hazard of death over the control's, below 1 is slower; undefined for the control",
        made_by='[model] type = "shared_rate"',
    ),
    Variable(
        "untreated_hazard", (), "per month", "hazard of death or permanent ventilation in the control",
        made_by='[model] type = "shared_rate"',
    ),
    Variable("regimen_log_rate", ("regimen",), "log rate", "log ratio of a regimen's rate of decline to the mean's"),
    Variable("regimen_log_rate_sd", (), "log rate", "SD of regimens' log rates"),
    Variable(
        "external_log_rate", ("external_trial",), "log rate",
        "log ratio of an external trial's untreated rate to the trial's own in its first calendar block",
        made_by=_BORROWING,
    ),
    Variable(
        "external_log_rate_sd", (), "log rate", "SD of external trials' log rates about the trial's own", scale="log",
        made_by=_BORROWING,
    ),
    Variable(
        "reference_rate", ("outcome", "stratum"), "{unit} per month",
        "untreated rate that external ones are compared with, where drift is on its logarithm", made_by=_BORROWING,
    ),
    Variable("calendar_log_rate", ("calendar_block",), "log rate", "log ratio of a block's rate to the first one's"),
    Variable("calendar_log_rate_sd", (), "log rate", "SD of the drift's step from block to block"),
    Variable("covariate_log_rate", ("covariate",), "log rate per unit", "change of the log rate of decline"),
    Variable("arm_level", ("regimen", "start_group"), "points", "mean at randomisation of a regimen's arm"),
    Variable("arm_rate_sd", ("start_group",), "points per month", "SD between persons of the untreated rate"),
    Variable("arm_residual_sd", ("regimen", "start_group"), "points", "SD of a visit about the person's own course"),
    Variable(
        "curve", ("outcome", "start_group", "stratum", "week"), "{unit}", "mean course", "curve", made_by=_WEEKS,
        refitted=True, report="curves",
    ),
    Variable(
        "curve_change", ("outcome", "start_group", "stratum", "week"), "{unit}", "mean change since randomisation",
        "curve", made_by=_WEEKS, report="curves",
    ),
    Variable(
        "difference", ("outcome", "contrast", "stratum", "week"), "{unit}",
        "group minus reference group in mean course", "curve",
        made_by='[study] reference_group = "delayed"  (with two start groups or more)', refitted=True,
        report="delayed start",
    ),
    Variable(
        "standardised_difference", ("outcome", "contrast", "stratum", "week"), "SD",
        "difference over the SD between persons at the visit", "curve", made_by=_VISIT,
    ),
    Variable(
        "visit_sd", ("outcome", "visit", "start_group"), "{unit}", "SD between persons at a visit", made_by=_VISIT,
        refitted=True,
    ),
    Variable(
        "visit_correlation", ("outcome", "visit", "visit_other", "start_group"), "correlation",
        "correlation of two visits of a person", "visit", made_by=_VISIT, refitted=True,
    ),
    Variable(
        "outcome_correlation", ("outcome", "outcome_other", "visit", "start_group"), "correlation",
        "correlation of two outcomes of a person at a visit", "visit", made_by=_VISIT, refitted=True,
    ),
    Variable(
        "covariate_visit", ("outcome", "covariate", "visit"), "{unit} per SD",
        "change of the mean at a visit per SD of a covariate", made_by='[model] type = "visit"  covariates = ["age"]',
        refitted=True,
    ),
    Variable(
        "baseline_slope", ("outcome", "visit"), "{unit} per {unit}",
        "change of the mean at a visit per unit of the value at week 0",
        made_by='[model] type = "visit"  baseline = "covariate"', refitted=True,
    ),
    Variable(
        "period_rate", ("outcome", "start_group", "stratum", "period"), "{unit} per month",
        "average rate over a period", "curve", made_by='[study] reference_group = "delayed"  controlled_week = 28',
        report="period rates",
    ),
    Variable(
        "latent_curve", ("outcome", "start_group", "stratum", "week"), "{unit}",
        "mean course that knows no limits, of outcomes with limits", "curve", made_by=_LIMITS, refitted=True,
    ),
    Variable(
        "latent_curve_change", ("outcome", "start_group", "stratum", "week"), "{unit}",
        "mean change since randomisation of a course that knows no limits", "curve", made_by=_LIMITS,
    ),
    Variable(
        "latent_difference", ("outcome", "contrast", "stratum", "week"), "{unit}",
        "group minus reference group in mean course, without limits", "curve", made_by=_LIMITS, refitted=True,
    ),
    Variable(
        "latent_period_rate", ("outcome", "start_group", "stratum", "period"), "{unit} per month",
        "average rate over a period, without limits", "curve", made_by=_LIMITS,
    ),
    Variable(
        "hazard_effect", ("event", "hazard_covariate"), "log hazard ratio {hazard_unit}", "effect on the hazard",
        made_by='[model] type = "joint_event" with [[model.events]] covariates = [...]',
        report="events and associations",
    ),
    Variable(
        "association", ("event", "outcome", "form"), "log hazard ratio per {form_unit}",
        "effect on the hazard of the outcome's current value, rate (a month), area so far or person-level term",
        made_by='[model] type = "joint_event" with [[model.events]] associations = [{outcome = ..., form = ...}]',
        report="events and associations",
    ),
    Variable(
        "baseline_hazard", ("event", "week"), "per month", "hazard at typical courses in the reference group", "curve",
        made_by='[model] type = "joint_event"',
    ),
    Variable(
        "baseline_shape", ("event",), "", "Weibull shape of the baseline hazard; 1 is constant",
        made_by='[[model.events]] baseline = {type = "weibull"}',
    ),
    Variable(
        "trial_mean", ("endpoint",), "{endpoint_unit}", "mean of the true effects over trials", "trial",
        made_by=_TRIALS, refitted=True,
    ),
    Variable(
        "trial_sd", ("endpoint",), "{endpoint_unit}", "SD of the true effects between trials; their scale where t",
        "trial", made_by=_TRIALS, refitted=True,
    ),
    Variable(
        "trial_correlation", (), "correlation", "correlation of the true effects over trials", "trial", made_by=_TRIALS,
        refitted=True,
    ),
    Variable(
        "trial_r2", (), "proportion", "squared correlation of the true effects over trials", "trial", made_by=_TRIALS,
        refitted=True,
    ),
    Variable(
        "trial_slope", (), "{slope_unit}", "effect on the outcome per effect on the surrogate", "trial",
        made_by=_TRIALS, refitted=True,
    ),
    Variable(
        "trial_intercept", (), "{outcome_unit}", "effect on the outcome without one on the surrogate", "trial",
        made_by=_TRIALS, refitted=True,
    ),
    Variable(
        "trial_conditional_sd", (), "{outcome_unit}", "SD of the effect on the outcome given the surrogate's", "trial",
        made_by=_TRIALS, refitted=True,
    ),
    Variable(
        "within_correlation", (), "correlation", "correlation of a trial's two estimates, where it is not known",
        "trial", made_by="[model] within_correlation = [0.0, 1.0]",
    ),
    Variable(
        "class_mean", ("treatment_class", "endpoint"), "{endpoint_unit}", "mean of a class's effects", "trial",
        made_by=_CLASSES,
    ),
    Variable(
        "class_sd", ("treatment_class", "endpoint"), "{endpoint_unit}", "SD of a class's effects", "trial",
        made_by=_CLASSES,
    ),
    Variable(
        "class_correlation", ("treatment_class",), "correlation", "correlation within a class", "trial",
        made_by=_CLASSES,
    ),
    Variable(
        "trial_degrees_of_freedom", (), "", "of t-distributed true effects; absent where normal", "trial",
        made_by='[model] random_effects = "t"',
    ),
    Variable("trial_effect", ("trial", "endpoint"), "{endpoint_unit}", "true effects of a trial, shrunken", "row"),
    Variable(
        "trial_r2_full", (), "proportion", "R2 of the outcome's effect on the surrogate's effect and level", "trial",
    ),
    Variable("individual_correlation", (), "correlation", "correlation of the two values within an arm", "trial"),
    Variable("individual_r2", (), "proportion", "squared correlation of the two values within an arm", "trial"),
    Variable("individual_slope", (), "{slope_unit}", "slope of the outcome on the surrogate within an arm", "trial"),
    Variable("patient_sd", ("endpoint",), "{endpoint_unit}", "SD between patients of an arm in a cluster", "trial"),
    Variable("level_mean", ("endpoint",), "{endpoint_unit}", "mean level over clusters, midway between arms", "trial"),
    Variable("level_sd", ("endpoint",), "{endpoint_unit}", "SD of the level between clusters", "trial"),
    Variable(
        "visit_mean", ("outcome", "start_group", "stratum", "visit_week"), "{unit}", "mean at a visit", "visit",
        made_by=_LONGITUDINAL,
    ),
    Variable(
        "person_basis", ("outcome", "term", "start_group", "stratum", "visit_week"), "{unit} per unit of the term",
        "what a person's term adds to the outcome's true value at a visit", "visit", made_by=_LONGITUDINAL,
        report="surrogate, between persons",
    ),
)  # fmt: skip

_CELL = ("start_group", "stratum", "week")
_WINDOW = ("event", "landmark", "horizon")

_EVENT_CURVES = (
    Variable("survival", _CELL, "probability", "without a terminal event, had nobody withdrawn", "event"),
    Variable("cumulative_incidence", ("event", *_CELL), "probability", "event so far, all events competing", "event"),
    Variable("mean_alive", ("outcome", *_CELL), "{unit}", "mean true value of the living, within limits", "event"),
    Variable(
        "mean_composite",
        ("outcome", *_CELL),
        "{unit}",
        "mean course, death scored as the worst possible value",
        "event",
    ),
    Variable(
        "win_probability",
        ("outcome", "contrast", "stratum", "week"),
        "probability",
        "a person of the group does better than one of the reference group: death worst, ties half",
        "event",
    ),
    Variable("rmst", _CELL, "months", "mean time without a terminal event up to the week", "event"),
)

_EVENT_DATA = (
    Variable("observed_survival", _CELL, "probability", "Kaplan-Meier", "event"),
    Variable("observed_survival_lower", _CELL, "probability", "its lower confidence limit", "event"),
    Variable("observed_survival_upper", _CELL, "probability", "its upper confidence limit", "event"),
    Variable("observed_incidence", ("event", *_CELL), "probability", "Aalen-Johansen, all events competing", "event"),
    Variable("n_events", ("event", "start_group", "stratum"), "persons", "who had the event", "event"),
    Variable("at_risk", _CELL, "persons", "still followed without an event", "event"),
)

_DYNAMIC_PREDICTION = (
    Variable("auc", _WINDOW, "", "time-dependent area under the ROC curve", "event"),
    Variable("brier", _WINDOW, "", "Brier score, weighted for censoring", "event"),
    Variable("brier_reference", _WINDOW, "", "Brier score of the observed overall risk", "event"),
    Variable("observed_risk", (*_WINDOW, "risk_group"), "probability", "observed in the window", "event"),
    Variable("predicted_risk", (*_WINDOW, "risk_group"), "probability", "mean predicted in the window", "event"),
    Variable(
        "example_course", ("outcome", "example", "landmark", "week"), "natural", "predicted course of a person", "event"
    ),
    Variable("example_survival", ("example", "landmark", "week"), "probability", "predicted survival", "event"),
    Variable("example_visit_week", ("outcome", "example", "example_visit"), "weeks", "when a person was seen", "event"),
    Variable("example_visit_value", ("outcome", "example", "example_visit"), "natural", "what was then seen", "event"),
)

_RANK_ANALYSES = (
    Variable("estimate", ("analysis",), "of the quantity", "the group against the reference group", "event"),
    Variable("lower", ("analysis",), "of the quantity", "its lower confidence limit", "event"),
    Variable("upper", ("analysis",), "of the quantity", "its upper confidence limit", "event"),
    Variable("p_value", ("analysis",), "probability", "two-sided", "event"),
    Variable("n", ("analysis",), "persons", "in the analysis", "event"),
    Variable("predictive_estimate", ("analysis", "replicate"), "of the quantity", "in replicated trials", "event"),
)


def _by_name(variables: tuple[Variable, ...]) -> dict[str, Variable]:
    return {variable.name: variable for variable in variables}


_GROUPS = (
    Group("posterior", "draws of published and free variables"),
    Group("sample_stats", "what the sampler records of each draw"),
    Group("prior", "draws of published variables from the prior", report="prior beside posterior"),
    Group("log_likelihood", "log-likelihood by person", report="comparison by person"),
    Group("person_elpd", "in its place above 2,000 persons: density of each left out, and Pareto k"),
    Group("observed_summary", "what was observed, by visit and arm or by trial", report="predictive checks"),
    Group("predictive_summary", "the same of data drawn from the model", report="predictive checks"),
    Group(
        "random_effects", "draws of persons' random effects", made_by="[archive] persons = true",
        report="random effects", persons=True,
    ),
    Group("visit_rows", "persons' visits", made_by="[archive] persons = true", persons=True),
    Group("trial_terms", "draws of trials' true effects", made_by=_TRIALS),
    Group("leave_one_out", "effects of each programme predicted from the others", made_by=_TRIALS),
    Group(
        "trials_needed", "what simulated collections of more programmes would say",
        made_by="[report] trials_needed = true",
    ),
    Group(
        "event_curves", "draws of survival and of means among the living", _by_name(_EVENT_CURVES),
        made_by='[model] type = "joint_event"', report="survival and estimands",
    ),
    Group("event_data", "events and exits that were observed", _by_name(_EVENT_DATA)),
    Group(
        "model_sensitivity", "differences under other forms of the model, each fitted anew",
        made_by='[model_sensitivity] draws = 500', report="other forms of the model",
    ),
    Group(
        "dropout_sensitivity", "means and differences at a week under assumptions on those who left",
        made_by='[dropout] outcome = "alsfrs_r"  week = 52', report="dropout sensitivity",
    ),
    Group(
        "rank_analyses", "rank analyses and ANCOVA of the study's own data", _by_name(_RANK_ANALYSES),
        made_by='[rank] outcome = "alsfrs_r"  week = 52  terminal = ["death"]', report="rank analyses",
    ),
    Group(
        "dynamic_prediction", "predictions of events at landmarks, and their accuracy", _by_name(_DYNAMIC_PREDICTION),
        report="dynamic prediction",
    ),
)  # fmt: skip

GROUPS: dict[str, Group] = {group.name: group for group in _GROUPS}
"""Every group of a posterior, by name."""

EVENT_GROUPS: dict[str, dict[str, Variable]] = {g.name: g.variables for g in _GROUPS if g.variables}
"""Groups with variables of their own: draws (chain, draw) first, but for `event_data` and `rank_analyses`."""

VARIABLES: dict[str, Variable] = {v.name: v for v in _ALL if v.level != "report"}
"""Every published variable, by name."""

EFFECTS: dict[str, Variable] = {v.name: v for kind in ("size", "time") for v in _ALL if v.effect == kind}
"""Rows of the table of drug effects, in its order; `group_effect_contrast` is computed by the report."""


def made_by(name: str) -> str:
    """Line of a configuration that makes a variable or group; blank where no single line does.

    Parameters
    ----------
    name : str
    """
    row = VARIABLES.get(name) or GROUPS.get(name)
    return row.made_by if row else ""
