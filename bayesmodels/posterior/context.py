"""Description of a posterior, read from its attributes: outcomes, start groups, contrasts, switch, convergence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import pandas as pd
import xarray as xr

from bayesmodels.errors import BadInput
from bayesmodels.posterior.archive import CONTENTS, NOT_VERIFIED
from bayesmodels.posterior.convergence import convergence as graded
from bayesmodels.posterior.convergence_limits import ConvergenceLimits
from bayesmodels.vocabulary import ALL, FIRST_DOSE_WINDOW, VARIABLES

LABELS = {
    "nfl_plasma": "Plasma NfL",
    "alsfrs_r": "ALSFRS-R",
    "svc": "Slow vital capacity",
    "hhd": "Hand-held dynamometry",
    "alsaq5": "ALSAQ-5",
    "eq5d5l": "EQ-5D-5L",
    "sod1_csf": "CSF SOD1",
}
"""Outcomes' names as readers know them; any other outcome keeps its own."""

AS_RANDOMISED_BUT = "as randomised but for borrowing from external persons"
"""What start groups are before the switch in a fit that borrows."""

WITH_ERRORS = (
    "Where this leaves a median uncertain, the tables of effects, disease rate ratios, differences between start "
    "groups, ratios to baseline, average rates and parameters show its Monte-Carlo error; curves, probabilities and "
    "other tables show none."
)
"""What a reader of short chains must know of their numbers (`monte_carlo.with_errors`)."""


@dataclass(frozen=True)
class Outcome:
    """An outcome's unit on the modelling scale, scale, good direction, drug effect, and unit before any logarithm.

    Parameters
    ----------
    name : str
    unit : str
        On the modelling scale.
    scale : {"identity", "log"}
    good_direction : {"up", "down", ""}
        Blank where the model did not say.
    effect_type, effect_unit : str
        Of the drug effect.
    natural_unit : str
        Before any logarithm.
    term_units : mapping of str to str
        Of person-level terms other than level, rate and effect, by name.
    """

    name: str
    unit: str = ""
    scale: str = "identity"
    good_direction: str = ""
    effect_type: str = ""
    effect_unit: str = ""
    natural_unit: str = ""
    term_units: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """Name for readers."""
        return LABELS.get(self.name, self.name)

    @property
    def sign(self) -> float:
        """+1 where up is good, -1 where down is good, NaN where the model did not say."""
        return {"up": 1.0, "down": -1.0}.get(self.good_direction, math.nan)

    @property
    def effect_sign(self) -> float:
        """Sign of a drug effect that is good; a proportional slowing is good when positive."""
        return 1.0 if "proportional" in self.effect_type else self.sign


@dataclass(frozen=True)
class Contrast:
    """`group` minus `reference`, which of the two starts the drug earlier, and until when they are as randomised.

    Parameters
    ----------
    label : str
        ``<group> - <reference>``.
    group, reference : str
        Start groups.
    early, late : str
        The same two by when the drug starts.
    switch_week : float
        Last week at which the two differ as randomised: then the later one starts the drug too. Infinite where it never
        does, or starts it with randomisation.
    borrows : bool
        Whether the fit borrows from external persons, who were not randomised.
    """

    label: str
    group: str
    reference: str
    early: str
    late: str
    switch_week: float = math.inf
    borrows: bool = False

    @property
    def as_randomised(self) -> str:
        """What the two are up to the switch: as randomised, but for what is borrowed."""
        return AS_RANDOMISED_BUT if self.borrows else "as randomised"

    @property
    def groups(self) -> tuple[str, str]:
        """Both start groups, the reference last."""
        return self.group, self.reference

    def sign(self, outcome: Outcome) -> float:
        """Sign of a difference that favours the earlier start."""
        return outcome.sign * (1.0 if self.early == self.group else -1.0)

    def direction(self, outcome: Outcome) -> str:
        """Which sign favours whom, e.g. "+ favours early"."""
        sign = self.sign(outcome)
        if math.isnan(sign):
            return "good direction not stated"
        return f"{'+' if sign > 0 else '-'} favours {self.early}"


@dataclass(frozen=True)
class FitContext:
    """A posterior's self-description.

    Parameters
    ----------
    warnings : tuple of str
        Root attribute `warnings`: what is legitimate but doubtful in the data, without persons.
    convergence : dict
        Grade and numbers of the draws (`Convergence.summary`), not the record of the fit; `verdict` is None where
        divergences were not recorded.
    notes : tuple of str
        Root attribute `notes`: sentences for the first screen.
    extra_sections : tuple of dict
        Root attribute `extra_sections`: ``{"title", "paragraphs", "table" (records), "figure_png_base64"}``, all but
        the title optional.
    hazard_units : dict of str to str
        Of the log hazard ratios of covariates, by `hazard_covariate`.
    exits_follow_course : bool
        The model has hazards that depend on persons' courses.
    limits : ConvergenceLimits
        That the draws were graded by.
    worst : tuple of str
        Scalars with the largest R-hat.
    short_sentence : str
        What short chains lack, and how many draws would do; blank where they are not short.
    """

    model_type: str
    model: dict[str, Any]
    data: dict[str, Any]
    sampling: dict[str, Any]
    convergence: dict[str, Any]
    seconds: dict[str, Any]
    versions: dict[str, Any]
    seed: str
    outcomes: dict[str, Outcome]
    start_groups: tuple[str, ...]
    drug_start_week: dict[str, float]
    contrasts: tuple[Contrast, ...]
    controlled_week: float | None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    extra_sections: tuple[dict[str, Any], ...] = ()
    hazard_units: dict[str, str] = field(default_factory=dict)
    exits_follow_course: bool = False
    limits: ConvergenceLimits = field(default_factory=ConvergenceLimits)
    worst: tuple[str, ...] = ()
    short_sentence: str = ""

    @property
    def grade(self) -> str | None:
        """`ok`, `short` or `not_converged`; None where it is not known."""
        return self.convergence.get("verdict")

    @property
    def unconverged(self) -> bool:
        """Whether the chains did not converge: then the fit identifies nothing."""
        return self.grade == "not_converged"

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader must know of the chains before any number: that they are short, that limits are loose."""
        found = []
        if self.short_sentence:
            found.append(f"{self.short_sentence} {WITH_ERRORS}")
        if self.limits.looser:
            found.append(
                "Convergence was judged by looser limits than the package's ([report.convergence]): "
                f"{', '.join(self.limits.looser)}."
            )
        return tuple(found)

    @property
    def stamp(self) -> str | None:
        """What every page, section and figure of a fit that did not converge carries; None where it did."""
        if self.grade in ("ok", "short"):
            return None
        if self.grade is None:
            return (
                "Convergence was not recorded for this fit (its divergences are not known): every number below is "
                "provisional."
            )
        reasons = "; ".join(str(reason) for reason in self.convergence.get("reasons", ()))
        return f"This fit did not converge{': ' + reasons if reasons else ''}. Do not act on any number below."

    @property
    def switch_week(self) -> float | None:
        """First week after which some start groups no longer differ as randomised; None if that never comes.

        Of a comparison of two groups it is `Contrast.switch_week` that counts.
        """
        if not self.contrasts and self.controlled_week is not None:
            return self.controlled_week
        if not self.contrasts:
            return min(_late_starts(self.drug_start_week), default=None)
        first = min(contrast.switch_week for contrast in self.contrasts)
        return first if math.isfinite(first) else None

    @property
    def delayed_week(self) -> float | None:
        """Week at which the first start group starts the drug after randomisation; None where none does."""
        if self.controlled_week is not None and (self.staggered or not self.contrasts):
            return self.controlled_week
        return min(_late_starts(self.drug_start_week), default=None)

    @property
    def staggered(self) -> bool:
        """Whether a start group starts the drug after randomisation; else groups are active and control."""
        if not self.drug_start_week:  # not known
            return self.controlled_week is not None
        return bool(_late_starts(self.drug_start_week))

    @property
    def sides(self) -> tuple[str, str]:
        """What the two groups of a contrast are called where their labels do not stand, the favoured one first."""
        return ("the earlier start", "the later start") if self.staggered else ("active", "control")

    @property
    def arm(self) -> str:
        """What a randomised group is called."""
        return "start group" if self.staggered else "arm"

    @property
    def borrows(self) -> bool:
        """Whether untreated persons of other trials inform the untreated rate."""
        return bool(self.model.get("borrowing"))

    @property
    def free_baseline(self) -> bool:
        """Whether start groups have means of their own at randomisation, so that contrasts are of changes since."""
        return self.model.get("baseline") == "free"


def read_context(tree: xr.DataTree, limits: ConvergenceLimits | None = None) -> FitContext:
    """Read the root attributes and the coordinates of the group `posterior`, and grade its draws.

    Parameters
    ----------
    tree : xr.DataTree
    limits : ConvergenceLimits, optional

    Raises
    ------
    BadInput
        A root attribute is not the JSON it should be.
    """
    draws = tree["posterior"].to_dataset()
    data = _nested(tree, "data")
    judged = graded(tree, limits)
    start_groups = _labels(draws, "start_group")
    starts = _by_label(draws, "start_group", "drug_start_week") or data.get("drug_start_week", {})
    drug_start_week = {group: math.inf if week is None else float(week) for group, week in starts.items()}
    borrows = bool(_nested(tree, "model").get("borrowing"))
    controlled = None if data.get("controlled_week") is None else float(data["controlled_week"])
    return FitContext(
        model_type=str(tree.attrs.get("model_type", "model not recorded")),
        model=_nested(tree, "model"),
        data=data,
        sampling=_nested(tree, "settings"),
        convergence=judged.summary(),
        seconds=_nested(tree, "seconds"),
        versions=_nested(tree, "versions"),
        seed=str(tree.attrs.get("seed", "not recorded")),
        outcomes=_outcomes(draws, _nested(tree, "model")),
        start_groups=start_groups,
        drug_start_week=drug_start_week,
        contrasts=tuple(
            replace(_contrast(label, start_groups, drug_start_week, controlled), borrows=borrows)
            for label in _labels(draws, "contrast")
        ),
        controlled_week=controlled,
        warnings=(*map(str, _nested_list(tree, "warnings")), *_unverified(tree)),
        notes=tuple(_nested_list(tree, "notes")),
        extra_sections=tuple(_nested_list(tree, "extra_sections")),
        hazard_units=_by_label(draws, "hazard_covariate", "hazard_unit"),
        exits_follow_course="association" in draws,
        limits=judged.limits,
        worst=judged.worst() if judged.verdict == "not_converged" else (),
        short_sentence=judged.short_sentence() if judged.verdict == "short" else "",
    )


def _unverified(tree: xr.DataTree) -> tuple[str, ...]:
    """What to say of a file whose contents could not be compared with a digest."""
    if tree.attrs.get(CONTENTS) != NOT_VERIFIED:
        return ()
    return (
        "The posterior's contents are not verified: its file carries no digest of them (an earlier version or another "
        "program wrote it).",
    )


def unit_of(
    name: str,
    index: dict[str, str],
    outcomes: dict[str, Outcome],
    hazard_units: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Fill a vocabulary variable's unit for one entry.

    Parameters
    ----------
    name : str
        Variable in the vocabulary.
    index : dict of str to str
        Dim to label of the entry; `term` labels read ``<outcome>:level``, ``:rate`` or ``:effect``, `form` labels
        ``value``, ``rate``, ``area`` or ``terms:<term>``.
    """
    outcome_name, _, term = str(index.get("term", index.get("outcome", index.get("endpoint", "")))).partition(":")
    outcome = outcomes.get(outcome_name, Outcome(outcome_name))
    common = {"level": outcome.unit, "rate": f"{outcome.unit} per month", "effect": outcome.effect_unit}
    term_units = {**outcome.term_units, **common}
    form_units = {"value": outcome.unit, "area": f"{outcome.unit} times month", **term_units}
    return VARIABLES[name].unit.format(
        unit=outcome.unit,
        effect_unit=outcome.effect_unit,
        term_unit=term_units.get(term, ""),
        form_unit=form_units.get(index.get("form", "").removeprefix("terms:"), outcome.unit),
        hazard_unit=hazard_units.get(index.get("hazard_covariate", ""), ""),
        **_trial_units(outcomes, outcome),
    )


def units(
    name: str, frame: pd.DataFrame, outcomes: dict[str, Outcome], hazard_units: Mapping[str, str] = MappingProxyType({})
) -> list[str]:
    """Unit of each row of a table of one variable's entries (`unit_of`)."""
    labels = [column for column in ("outcome", "term", "endpoint", "form", "hazard_covariate") if column in frame]
    return [
        unit_of(name, dict(zip(labels, row, strict=True)), outcomes, hazard_units)
        for row in frame[labels].itertuples(index=False)
    ]


def _trial_units(outcomes: dict[str, Outcome], endpoint: Outcome) -> dict[str, str]:
    """Units of a trial-level model, whose endpoints stand among the outcomes."""
    surrogate, outcome = (outcomes.get(name, Outcome(name)).unit for name in ("surrogate", "outcome"))
    slope = f"{outcome} per {surrogate}" if outcome and surrogate else ""
    return {"endpoint_unit": endpoint.unit, "outcome_unit": outcome, "slope_unit": slope}


def stratum_label(stratum: str) -> str:
    """A stratum's name for readers; `all` is the trial's mixture."""
    return "all persons" if stratum == ALL else stratum


def _outcomes(draws: xr.Dataset, model: dict[str, Any]) -> dict[str, Outcome]:
    if "endpoint_unit" in draws.coords:
        unit, good = (_by_label(draws, "endpoint", name) for name in ("endpoint_unit", "good"))
        return {name: Outcome(name, unit=unit[name], good_direction=good[name]) for name in _labels(draws, "endpoint")}
    fields = ("unit", "scale", "good_direction", "effect_type", "effect_unit")
    found = {field: _by_label(draws, "outcome", field) for field in fields}
    specified = model.get("outcomes") or ()
    found["natural_unit"] = {spec["name"]: spec["unit"] for spec in specified if {"name", "unit"} <= set(spec)}
    found["term_units"] = {name: {} for name in _labels(draws, "outcome")}
    for label, unit in _by_label(draws, "term", "term_unit").items():
        name, _, term = label.partition(":")
        found["term_units"].setdefault(name, {})[term] = unit
    return {
        name: Outcome(name, **{field: values[name] for field, values in found.items() if name in values})
        for name in _labels(draws, "outcome")
    }


def _late_starts(starts: Mapping[str, float]) -> list[float]:
    """Drug starts after randomisation."""
    return [week for week in starts.values() if FIRST_DOSE_WINDOW < week < math.inf]


def randomised_until(late: str, starts: Mapping[str, float], controlled_week: float | None) -> float:
    """`Contrast.switch_week`: last week at which two start groups differ as randomised; infinite where they always do.

    Parameters
    ----------
    late : str
        The one of the two that starts the drug later. If no group starts sooner after randomisation, the week is the
        end of the controlled period.
    starts : mapping of str to float
        Start group to the week of its drug start, inf for never; empty where this is not known.
    controlled_week : float or None
        End of the controlled period.
    """
    declared = math.inf if controlled_week is None else controlled_week
    week, late_starts = starts.get(late), _late_starts(starts)
    if week is None:  # not known
        return declared
    if week not in late_starts:
        return math.inf
    first = declared if controlled_week is not None else min(late_starts)
    return first if week == min(late_starts) else max(week, first)


def _contrast(label: str, groups: tuple[str, ...], starts: dict[str, float], controlled_week: float | None) -> Contrast:
    for group in groups:
        for reference in groups:
            if label == f"{group} - {reference}":
                reversed_order = starts.get(reference, math.inf) < starts.get(group, math.inf)
                early, late = (reference, group) if reversed_order else (group, reference)
                return Contrast(label, group, reference, early, late, randomised_until(late, starts, controlled_week))
    raise BadInput(f"contrast {label!r}: expected '<group> - <reference>' of the start groups {', '.join(groups)}")


def _labels(draws: xr.Dataset, dim: str) -> tuple[str, ...]:
    return tuple(str(label) for label in draws[dim].values) if dim in draws.coords else ()


def _by_label(draws: xr.Dataset, dim: str, coordinate: str) -> dict[str, Any]:
    if coordinate not in draws.coords or draws[coordinate].dims != (dim,):
        return {}
    return dict(zip(_labels(draws, dim), draws[coordinate].values.tolist(), strict=True))


def _nested(tree: xr.DataTree, name: str) -> dict[str, Any]:
    return _parsed(tree, name, dict)


def _nested_list(tree: xr.DataTree, name: str) -> list[Any]:
    return _parsed(tree, name, list)


def _parsed(tree: xr.DataTree, name: str, kind: type) -> Any:
    """Root attribute as JSON of a kind; empty where it is absent."""
    text = tree.attrs.get(name)
    if not text:
        return kind()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadInput(f"root attribute {name!r}: expected JSON, got {text[:40]!r}") from error
    if not isinstance(value, kind):
        raise BadInput(f"root attribute {name!r}: expected a JSON {kind.__name__}, got {type(value).__name__}")
    return value
