"""What the reader of a report chooses."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.errors import in_full
from bayesmodels.posterior.convergence_limits import ConvergenceLimits
from bayesmodels.surrogacy.settings import REDUCTIONS, SurrogacySettings
from bayesmodels.surrogacy.trial_level.cuts import TrialVerdictSettings
from bayesmodels.surrogacy.trial_level.trial_to_predict import NewTrial

Fraction = Annotated[float, Field(gt=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ReportSettings(BaseModel):
    """Choices of a report; nothing here changes the fit.

    Parameters
    ----------
    interval : float
        Probability of the equal-tailed intervals.
    important_difference : dict of str to float
        Outcome to the difference between start groups that would matter, in the outcome's modelling unit.
    margins : dict of str to float
        Outcome to the pre-declared margin, modelling unit per month, inside which two slopes count as parallel.
    contrast_weeks : tuple of float, optional
        Weeks of the differences in `summary.json`; every curve week by default. Each must be a curve week.
    end_week : float, optional
        Week of Delta_2; by default the last visit at which both groups have data.
    parallel_from_week : dict of str to float
        Outcome to the declared week from which slopes are compared; by default the switch + lag + 3 time constants,
        at least 12 weeks after the switch.
    shares : tuple of float
        The f of P(Delta_1 > 0 and Delta_2 > f Delta_1), each from 0 to 1.
    margin : float, optional
        Trial level: minimal important difference of the outcome effect, in its good direction and unit.
    trials_needed : bool
        Trial level: predict by simulation what more programmes would say (a minute).
    new_trial : NewTrial, optional
        `[report.new_trial]`, trial level: the new trial whose true effect on the outcome is predicted.
    trial_verdict : TrialVerdictSettings
        Cut-offs of the verdict of the trial level.
    notes : tuple of str
        Sentences for the first screen, e.g. which prior was informed by this trial.
    surrogate, outcome : str, optional
        The biomarker to evaluate as a surrogate, and for which outcome; both, or neither.
    reductions : tuple of float
        Reductions of the surrogate whose consequences for the outcome are shown: one to six fractions between 0 and 1.
    surrogacy : SurrogacySettings
        `[report.surrogacy]`.
    convergence : ConvergenceLimits
        `[report.convergence]`: limits of the grades of convergence. Looser ones than the package's are printed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: float = Field(0.95, gt=0, lt=1)
    important_difference: dict[str, NotNegative] = {}
    margins: dict[str, NotNegative] = {}
    contrast_weeks: tuple[float, ...] | None = None
    end_week: float | None = None
    parallel_from_week: dict[str, NotNegative] = {}
    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (0.25, 0.5, 0.75)
    margin: float | None = Field(None, gt=0, allow_inf_nan=False)
    trials_needed: bool = False
    new_trial: NewTrial | None = None
    trial_verdict: TrialVerdictSettings = TrialVerdictSettings()
    notes: tuple[str, ...] = ()
    surrogate: str | None = None
    outcome: str | None = None
    reductions: tuple[Fraction, ...] = Field(REDUCTIONS, min_length=1, max_length=6)
    surrogacy: SurrogacySettings = SurrogacySettings()
    convergence: ConvergenceLimits = ConvergenceLimits()

    @model_validator(mode="after")
    def _a_pair(self) -> ReportSettings:
        if (self.surrogate is None) != (self.outcome is None):
            raise ValueError("expected surrogate and outcome together: which biomarker, and for which outcome")
        if self.surrogate is not None and self.surrogate == self.outcome:
            raise ValueError(f"expected two outcomes as surrogate and outcome, got {self.surrogate!r} twice")
        return self

    @property
    def interval_label(self) -> str:
        """Kind and level of every interval, e.g. "95 % ETI" (equal-tailed interval)."""
        return f"{100 * self.interval:g} % ETI"

    def problems(
        self, outcomes: Collection[str], weeks: Collection[float] = (), visits: Collection[float] = ()
    ) -> Iterator[str]:
        """What a fit cannot answer, a line each.

        Parameters
        ----------
        outcomes : collection of str
            Of the fit.
        weeks : collection of float
            Its curve weeks; empty: weeks are not looked at.
        visits : collection of float
            Its nominal visits; empty: of a model without persons' visits, whose surrogate is read off the curves.

        Yields
        ------
        str
            A line for each setting that names an outcome or week that the fit does not have.
        """
        named = [
            (field, name)
            for field, values in (
                ("important_difference", self.important_difference),
                ("margins", self.margins),
                ("parallel_from_week", self.parallel_from_week),
            )
            for name in values
        ]
        named += [(field, name) for field, name in (("surrogate", self.surrogate), ("outcome", self.outcome)) if name]
        for field, name in named:
            if name not in outcomes:
                known = ", ".join(outcomes) or "none"
                yield f"[report] {field}: expected an outcome of this fit ({known}), got {name!r}"
        if not weeks:
            return
        end = () if self.end_week is None else (self.end_week,)
        for field, wanted in (("contrast_weeks", self.contrast_weeks or ()), ("end_week", end)):
            yield from week_problems(field, wanted, weeks)
        for name, week in self.parallel_from_week.items():
            if week >= max(weeks):
                yield (
                    f"[report] parallel_from_week, {name}: expected a week before the last curve week "
                    f"({in_full(max(weeks))}), got {in_full(week)}"
                )
        kind = "week of a visit" if visits else "curve week"
        known_weeks = [week for week in visits or weeks if week > 0]
        for field in ("surrogate_week", "outcome_week") if self.surrogate is not None else ():
            week = getattr(self.surrogacy, field)
            if week is not None and week not in known_weeks:
                there = ", ".join(in_full(w) for w in known_weeks)
                yield f"[report.surrogacy] {field}: expected a {kind} ({there}), got {in_full(week)}"


def week_problems(field: str, wanted: Collection[float], weeks: Collection[float]) -> Iterator[str]:
    """A line where some of the weeks that a setting names are not curve weeks."""
    absent = [week for week in wanted if week not in weeks]
    if absent:
        there = ", ".join(in_full(week) for week in weeks)
        yield (
            f"[report] {field}: expected curve weeks ({there}), got {', '.join(in_full(week) for week in absent)}; "
            "add them to [study] curve_weeks and fit again"
        )
