"""Models of courses for people: a line for each outcome and event, and their formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pymc as pm

from bayesmodels.models.description import Description, options_of
from bayesmodels.models.outcome import Outcome
from bayesmodels.models.visits.assembly import parts_of
from bayesmodels.models.visits.course_model import CourseModel
from bayesmodels.models.visits.event import Event
from bayesmodels.parts.associations import Association
from bayesmodels.parts.curve import Term
from bayesmodels.parts.formulas import WHERE, course_formula, formula_of, said
from bayesmodels.parts.priors import PriorRow

OPTIONS = ("pooling", "baseline", "person_sd", "residual_sd", "correlation_shape", "walk_correlation", "borrowing")

FURTHER = (
    "prior_table(model, study) adds those of start groups and pairs of strata, and says where each prior comes from."
)


def course_description(
    model: CourseModel, priors: Callable[[], Sequence[PriorRow]], events: Sequence[Event] = ()
) -> Description:
    """What a model of courses, and of events where it has some, is.

    Parameters
    ----------
    model : LongitudinalModel or JointEventModel
    priors : callable
        To the priors that need no data.
    events : sequence of Event
    """
    terms = _terms(model)
    options = options_of(model, OPTIONS)
    options += [f"{name} on the {kind}" for kind in ("level", "rate", "effect") for name in _covariates(model, kind)]
    listed = ", ".join(k.name for k in model.outcomes)
    title = f"{type(model).__name__} of {listed}"
    if events:
        title += f" and of {', '.join(event.name for event in events)}"
    lines = [_outcome_line(k, terms) for k in model.outcomes] + [_event_line(event) for event in events]
    lines += [f"options: {', '.join(options)}"] if options else []
    formulas = [(_of(k), _outcome_formula(model, k, terms)) for k in model.outcomes]
    formulas += [(f"hazard of {event.name}", _hazard_formula(event)) for event in events]
    return Description(title, lines, formulas, _notes(model, terms, events, options), priors, FURTHER)


def _terms(model: CourseModel) -> Mapping[str, Term] | None:
    """The terms by label; None where the parts do not go together, which `build` says."""
    try:
        with pm.Model(model=None):
            return parts_of(model).terms
    except Exception:  # whatever a user's own part does: a model is shown whatever it is
        return None


def _varying(k: Outcome, terms: Mapping[str, Term] | None) -> list[str]:
    """Terms of an outcome that differ between persons."""
    own = {label.partition(":")[2]: term for label, term in (terms or {}).items() if label.startswith(f"{k.name}:")}
    return [name for name, term in own.items() if term.person_sd is not None]


def _outcome_line(k: Outcome, terms: Mapping[str, Term] | None) -> str:
    varying = [f"{name} (skewed)" if name == "rate" and k.rate_skewness else name for name in _varying(k, terms)]
    persons = f"; between persons: {', '.join(varying)}" if varying else ""
    walk = ", random walk" if k.random_walk_sd is not None else ""
    return f"{_of(k)}: {type(k.trajectory).__name__}, {type(k.effect).__name__}{walk}{persons}"


def _of(k: Outcome) -> str:
    return f"ln {k.name}" if k.scale == "log" else k.name


def _outcome_formula(model: CourseModel, k: Outcome, terms: Mapping[str, Term] | None) -> str:
    between = set(_varying(k, terms))
    groups = {"effect", "share"} if model.pooling != "complete" else set()
    own = {label.partition(":")[2] for label in (terms or {}) if label.startswith(f"{k.name}:")} | {"share"}
    marks = {name: "i" if name in between else ("g" if name in groups else "") for name in own}
    body, where, about = course_formula(k.trajectory, k.effect, marks).partition(WHERE)
    walk = " + w_{i}(t)" if k.random_walk_sd is not None else ""
    return f"y = {body}{walk} + e{where}{about}"


def _event_line(event: Event) -> str:
    acting = [*event.covariates]
    acting += [
        name.replace("_", " ") for name, on in (("start_group", event.start_group), ("stratum", event.stratum)) if on
    ]
    acting += ["on the drug"] if event.on_drug else []
    acting += [f"{association.form} of {association.outcome}" for association in event.associations]
    of = f" ({', '.join(event.of)})" if event.of and event.of != (event.name,) else ""
    return f"{event.name}{of}: {type(event.baseline).__name__} hazard" + (f"; {', '.join(acting)}" if acting else "")


def _hazard_formula(event: Event) -> str:
    acting = [f"γ {said(name)}" for name in event.covariates]
    acting += ["γ_{g}"] if event.start_group else []
    acting += ["γ_{s}"] if event.stratum else []
    acting += ["γ [x > 0]"] if event.on_drug else []
    acting += [_association(association) for association in event.associations]
    body = f"h(t) = h_{{0}}(t) exp({' + '.join(acting)})" if acting else "h(t) = h_{0}(t)"
    about = [f"h_{{0}}(t): {formula_of(event.baseline, '{name}')}"]
    if event.associations:
        about.append("η: error-free course without its random walk, α and γ: one log hazard ratio for each place")
    elif acting:
        about.append("γ: one log hazard ratio for each place")
    return WHERE.join([body, ", ".join(about)])


def _association(association: Association) -> str:
    course = f"η_{{{said(association.outcome)}}}"
    return {
        "value": f"α {course}(t)",
        "rate": f"α d{course}/dt",
        "area": f"α ∫_{{0}}^{{t}} ({course} − typical level)",
        "terms": f"α · random effects of {said(association.outcome)}",
    }[association.form]


def _covariates(model: CourseModel, kind: str) -> tuple[str, ...]:
    return getattr(model.covariates, kind)


def _notes(
    model: CourseModel, terms: Mapping[str, Term] | None, events: Sequence[Event], options: Sequence[str]
) -> list[str]:
    """What formulas do not say."""
    found = []
    random = [f"{name} of {said(k.name)}" for k in model.outcomes for name in _varying(k, terms)]
    if random:
        skewed = [said(k.name) for k in model.outcomes if k.rate_skewness is not None]
        law = "normal"
        if skewed:
            law += f" but for the rate of {skewed[0]}, shifted log-normal with its long tail where it gets worse faster"
        found.append(f"One vector of correlated random effects per person: {', '.join(random)}; {law}.")
    walks = [
        f"{said(k.name)} (steps shrink with time)" if k.random_walk_time_constant is not None else said(k.name)
        for k in model.outcomes
        if k.random_walk_sd is not None
    ]
    if walks:
        found.append(f"w: random walk about a person's course, from 0 at randomisation, of {', '.join(walks)}.")
    held = [
        f"{said(k.name)} {k.limits[0]:g} to {k.limits[1]:g}{', censored there' if k.censor_at_limits else ''}"
        for k in model.outcomes
        if k.limits is not None
    ]
    if held:
        found.append(f"Possible values: {'; '.join(held)}.")
    if events:
        found.append("Events compete; hazards are cause-specific.")
    found.append("e: normal error. Means and effects are by stratum where the study has strata.")
    if options:
        found.append(f"Options: {said(', '.join(options))}.")
    return found
