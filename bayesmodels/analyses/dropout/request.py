"""The request of a dropout sensitivity analysis, checked against model and study before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from bayesmodels.analyses.dropout.tables import Cells
from bayesmodels.errors import BadConfig, BadInput, expect
from bayesmodels.models.labels import events_taken, terminal_labels
from bayesmodels.models.visit_means.design import visit_design
from bayesmodels.models.visit_means.model import VisitModel
from bayesmodels.persons.prepared import has_events
from bayesmodels.study import Study
from bayesmodels.study.checks.event_words import study_questions
from bayesmodels.study.checks.labels import alike, spelt
from bayesmodels.study.leaving import DEATH, Leaving, LeavingRule, leaving
from bayesmodels.vocabulary import months

NEVER_TREATED = "never_treated"
"""The reference that nobody was randomised to: a course on which the drug is never started."""

TRUE_SCORES = (
    "means and differences are of true scores, without visit error, held within {low:g} to {high:g}; those who left "
    "have their expected score given the visits and what is supposed; delta moves the course, and the score as far as "
    "the limits let it; differences of latent means, which know no limits, stand beside"
)
"""Of a model of courses and an outcome with limits."""

RECORDED_SCORES = (
    "means are of scores as recorded, with visit error; what is supposed of those who left is normal and not held "
    "within {low:g} to {high:g}"
)
"""Of a model of means by visit."""

DeltaUnit = Literal["per_month", "once"]


@dataclass(frozen=True)
class DropoutRequest:
    """A request of `dropout_sensitivity` that these model and study can answer.

    Parameters
    ----------
    outcome : Outcome
    position : int
        Of the outcome among the model's.
    week : float
    reference : str
        A start group, or `NEVER_TREATED`.
    deltas : (delta,) float
    delta_unit : {"per_month", "once"}
    rule : LeavingRule
    left : Leaving
    cells : Cells
    deaths : str
        What becomes of the dead, in words.
    untreated_course_of : str
        The study's reference group, where its untreated course is the reference because its members start the drug
        before the week; blank elsewhere.
    """

    outcome: Any
    position: int
    week: float
    reference: str
    deltas: np.ndarray
    delta_unit: DeltaUnit
    rule: LeavingRule
    left: Leaving
    cells: Cells
    deaths: str
    untreated_course_of: str = ""

    @property
    def worse(self) -> np.ndarray:
        """Deltas with the sign that makes the outcome worse when subtracted, (delta,)."""
        return self.deltas if self.outcome.good_direction == "up" else -self.deltas

    def attributes(self, model: Any) -> dict[str, Any]:
        """Attributes of the dataset, which say in words what was asked."""
        outcome = self.outcome
        worse = "subtracted" if outcome.good_direction == "up" else "added"
        by_month = self.delta_unit == "per_month"
        per = "a month from the last visit on" if by_month else "once"
        without = "as modelled" if exits_follow_course(model) else "under missing at random"
        meant = f'as if those who left had been in the group "{self.reference}", which has not started the drug by then'
        if self.reference == NEVER_TREATED:
            meant = "as if the drug were never started, for those who left in every group"
        if self.untreated_course_of:
            meant += (
                f'; the untreated course stands for the reference group "{self.untreated_course_of}", which has itself '
                "started the drug by then"
            )
        found = {
            "outcome": outcome.name,
            "unit": outcome.modelling_unit,
            "scale": outcome.scale,
            "good_direction": outcome.good_direction,
            "week": float(self.week),
            "reference": self.reference,
            "reference_in_words": meant,
            "delta_unit": f"{outcome.modelling_unit} per month" if by_month else outcome.modelling_unit,
            "delta_in_words": f"worse than {without} by delta {per}: {worse} for those who left",
            "deaths": self.deaths,
            "tolerance_weeks": self.left.tolerance_weeks,
            "ends_in_words": self.rule.ends_in_words(),
            "variance": "posterior of the estimand, the supposition taken as true; a reference-based difference varies "
            "less than by multiple imputation with Rubin's rules, whose information-anchored interval is about as wide "
            "as the one without any supposition",
        }
        if self.outcome.limits is not None:
            low, high = self.outcome.limits
            words = RECORDED_SCORES if isinstance(model, VisitModel) else TRUE_SCORES
            found["limits_in_words"] = words.format(low=low, high=high)
        if has_free_baseline(model):
            found["baseline_in_words"] = (
                "means and differences are of changes since randomisation, from the mean of all persons of a group at "
                "week 0, since groups have means of their own there"
            )
        if has_events(model):
            found["events_in_words"] = (
                "parameters are the joint model's, fitted with the events; what a strategy changes is worked out from "
                "a person's visits alone, not from when and why the person left"
            )
        return found


def dropout_request(
    model: Any,
    study: Study,
    outcome: str,
    week: float,
    *,
    reference: str | None = None,
    deltas: Sequence[float] | None = None,
    delta_unit: DeltaUnit = "per_month",
    rule: LeavingRule | None = None,
    interval: float = 0.95,
) -> DropoutRequest:
    """Check a request; parameters as `dropout_sensitivity`.

    Raises
    ------
    BadInput
        An outcome that the model has not, a study of one start group, a start group without anyone in a stratum, a week
        at which nobody is observed, a reference that is no start group or has itself started the drug by the week,
        unusable deltas, administrative exits that nobody had, events that the table spells otherwise or that ask what
        they are (`event_labels`), or the dead left out where the model lets death depend on the course.
    """
    expect(study, Study, "study", "make one with read_study or Study.from_frames")
    if not hasattr(model, "outcomes"):
        raise BadInput(f"model: expected the model that was fitted, got {type(model).__name__}")
    for value, name in ((week, "week"), (interval, "interval")):
        expect(value, (int, float), name, "give a number")
    names = [k.name for k in model.outcomes]
    problems = []
    if outcome not in names:
        problems.append(f"outcome: expected one of the model's ({', '.join(names)}), got {outcome!r}")
    if len(study.start_groups) < 2:
        problems.append("study: expected two start groups or more, which are to be compared; found one")
    if not 0 < week < np.inf:
        problems.append(f"week: expected a week after 0, got {week!r}")
    if not 0 < interval < 1:
        problems.append(f"interval: expected a level between 0 and 1, got {interval!r}")
    if problems:
        raise BadInput(problems)
    known = (*study.start_groups, NEVER_TREATED)
    if reference is not None and reference not in known:
        raise BadInput(f"reference: expected one of {', '.join(known)}, got {reference!r}")
    reference, untreated_course_of = _reference(study, reference, week)
    if isinstance(model, VisitModel):
        asked = _visit_problems(model, study, outcome, week, reference, untreated_course_of)
        if asked:
            raise BadInput(asked)
    rule = rule or LeavingRule()
    if rule.terminal is None:
        rule = replace(rule, terminal=_dead_by(model, rule))
    ends = {"none", *(() if study.events is None else study.events["event"])}
    unknown = [label for label in rule.administrative if label not in ends]
    if unknown:
        raise BadInput(
            f"administrative: expected exits of the study ({', '.join(sorted(ends))}), got {', '.join(unknown)}"
            f"{spelt(unknown[0], sorted(ends)) or '; correct the label, or leave it out'}"
        )
    asked = _questions(model, study, rule)
    if asked:
        raise BadInput(asked)
    if rule.deaths == "left_out" and _death_follows_course(model, rule):
        raise BadInput(
            'deaths: expected "as_followed" or "as_missing" for a model in which death depends on the course, got '
            '"left_out": those alive then differ from the dead in ways that their visits do not show; the mean among '
            "the living is mean_alive of event_curves, and among the estimands of the report"
        )
    k = names.index(outcome)
    return DropoutRequest(
        model.outcomes[k],
        k,
        week,
        reference,
        _delta_grid(model.outcomes[k], deltas, delta_unit, week),
        delta_unit,
        rule,
        leaving(study, outcome, week, rule),
        Cells.of(study),
        rule.in_words() + _nobody_dead(study, rule),
        untreated_course_of,
    )


def _reference(study: Study, asked: str | None, week: float) -> tuple[str, str]:
    """The reference, and the group whose untreated course it is where that has itself started the drug by the week.

    A group of which half start before the week is no reference: those who jump to it would be put on the drug. If it
    was not asked for by name, its untreated course is taken.
    """
    group = str(study.reference_group) if asked is None else asked
    if group == NEVER_TREATED:
        return group, ""
    persons = study.persons
    start = float(persons.loc[persons["start_group"] == group, "drug_start_week"].median())
    if not start < week:
        return group, ""
    if asked is None:
        return NEVER_TREATED, group
    raise BadInput(
        f"reference: expected a group that has not started the drug by week {week:g}, got {group!r}, which starts it "
        f'at week {start:g}, so that those who jump to it would be put on the drug; give "{NEVER_TREATED}", its '
        "untreated course, or a week up to the start"
    )


def _visit_problems(
    model: VisitModel, study: Study, outcome: str, week: float, reference: str, started: str
) -> list[str]:
    """What a model of means by visit cannot answer: other weeks than its visits, a course that nobody was on."""
    layout = visit_design(model, study).layout
    own = layout.place[layout.outcomes.index(outcome)] >= 0
    weeks = [w for w, there in zip(layout.weeks, own, strict=True) if there]
    problems = []
    if week not in weeks:
        there = ", ".join(f"{w:g}" for w in weeks)
        problems.append(f"week: expected a nominal visit of the model with {outcome} ({there}), got {week:g}")
    if started:
        problems.append(
            f"reference: the reference group, {started!r}, has itself started the drug by week {week:g}, and a model "
            "of means by visit has no course without the drug; give a week up to its start, or a group without the drug"
        )
    elif reference == NEVER_TREATED:
        problems.append(
            f"reference: expected a start group ({', '.join(layout.groups)}) with a model of means by visit, which has "
            f'no course without the drug, got "{NEVER_TREATED}"; name one, or use type = "longitudinal"'
        )
    return problems


def event_words(model: Any, rule: LeavingRule) -> dict[str, str]:
    """Words for events that a rule takes, each to the label of the events table: deaths, and the trial's own ends."""
    return {label: label for label in (*_dead_by(model, rule), *rule.administrative)}


def _dead_by(model: Any, rule: LeavingRule) -> tuple[str, ...]:
    if rule.terminal is not None:
        return rule.terminal
    return terminal_labels(model) if has_events(model) else DEATH


def _questions(model: Any, study: Study, rule: LeavingRule) -> list[str]:
    """Events that the table spells otherwise than the rule, or that ask what they are."""
    if study.events is None:
        return []
    there = sorted(study.events["event"].unique())
    misspelt = [
        f"terminal: expected events as {study.tables.files['events']} spells them, got {name!r}"
        f"{spelt(name, there, 'terminal = [{}]')}"
        for name in rule.dead_by
        if alike(name, there) is not None
    ]
    return misspelt or list(study_questions(study, [events_taken(model), event_words(model, rule)]))


def has_free_baseline(model: Any) -> bool:
    """Start groups have means of their own at randomisation, which are no effect of the drug."""
    return getattr(model, "baseline", "common") == "free"


def exits_follow_course(model: Any) -> bool:
    """Hazards of the model depend on persons' courses, so that exits tell of what is not seen."""
    return has_events(model) and any(event.associations for event in model.events)


def _death_follows_course(model: Any, rule: LeavingRule) -> bool:
    """The hazard of an event that counts as death depends on persons' courses."""
    return has_events(model) and any(
        event.associations for event in model.events if set(event.labels) & set(rule.dead_by)
    )


def _nobody_dead(study: Study, rule: LeavingRule) -> str:
    """A warning where people left for reasons of their own and none of these counts as death."""
    ends = [] if study.events is None else sorted({*study.events["event"]} - {*rule.administrative})
    if not ends or set(ends) & set(rule.dead_by):
        return ""
    terminal = ", ".join(rule.dead_by) or "none named"
    return f"; nobody counts as dead: terminal events are {terminal}, and the table has {', '.join(ends)}"


def _delta_grid(outcome: Any, deltas: Sequence[float] | None, unit: str, week: float) -> np.ndarray:
    if unit not in ("per_month", "once"):
        raise BadConfig(f'delta_unit: expected "per_month" or "once", got {unit!r}')
    if deltas is None:
        if unit == "once" or not outcome.has_rate:
            spread = outcome.level_sd_prior.sd
            return np.linspace(0.0, spread if unit == "once" else spread / months(week), 11)
        priors = outcome.rate_prior if isinstance(outcome.rate_prior, dict) else {"all": outcome.rate_prior}
        natural = max(max(abs(prior.mean), prior.sd) for prior in priors.values())
        return np.linspace(0.0, natural, 11)
    grid = np.asarray(deltas, float)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] != 0 or not np.isfinite(grid).all() or (np.diff(grid) <= 0).any():
        raise BadInput(f"deltas: expected rising numbers that begin with 0, got {list(np.ravel(grid))}")
    return grid
