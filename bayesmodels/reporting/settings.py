"""What the reader of a report chooses."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.errors import BadInput
from bayesmodels.reporting.surrogacy.settings import SurrogacySettings
from bayesmodels.reporting.surrogacy.trial_cuts import TrialVerdictSettings


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
        The f of P(Delta_1 > 0 and Delta_2 > f Delta_1).
    margin : float, optional
        Trial level: minimal important difference of the outcome effect, in its good direction and unit.
    trials_needed : bool
        Trial level: foretell by simulation what more programmes would say (a minute).
    trial_verdict : TrialVerdictSettings
        Cut-offs of the verdict of the trial level.
    notes : tuple of str
        Sentences for the first screen, e.g. which prior was informed by this trial.
    surrogate, outcome : str, optional
        The biomarker to evaluate as a surrogate, and for which outcome; both, or neither.
    surrogacy : SurrogacySettings
        `[report.surrogacy]`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval: float = Field(0.95, gt=0, lt=1)
    important_difference: dict[str, float] = {}
    margins: dict[str, float] = {}
    contrast_weeks: tuple[float, ...] | None = None
    end_week: float | None = None
    parallel_from_week: dict[str, float] = {}
    shares: tuple[float, ...] = (0.25, 0.5, 0.75)
    margin: float | None = Field(None, gt=0, allow_inf_nan=False)
    trials_needed: bool = False
    trial_verdict: TrialVerdictSettings = TrialVerdictSettings()
    notes: tuple[str, ...] = ()
    surrogate: str | None = None
    outcome: str | None = None
    surrogacy: SurrogacySettings = SurrogacySettings()

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

    def check_outcomes(self, outcomes: tuple[str, ...]) -> None:
        """Refuse settings of an outcome that the posterior does not have.

        Raises
        ------
        BadInput
            One line for each unknown outcome.
        """
        declared = {
            "important_difference": self.important_difference,
            "margins": self.margins,
            "parallel_from_week": self.parallel_from_week,
        }
        problems = [
            f"[report] {field}: expected an outcome of this fit ({', '.join(outcomes) or 'none'}), got {name!r}"
            for field, values in declared.items()
            for name in values
            if name not in outcomes
        ]
        problems += [
            f"[report] {field}: expected an outcome of this fit ({', '.join(outcomes) or 'none'}), got {name!r}"
            for field, name in (("surrogate", self.surrogate), ("outcome", self.outcome))
            if name is not None and name not in outcomes
        ]
        if problems:
            raise BadInput(problems)
