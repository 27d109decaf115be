"""The configuration of a planned trial: one TOML file, read and checked; every problem at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.fitting import NutsSettings
from bayesmodels.parts.lookup import modules_beside
from bayesmodels.planning.design_plan import DesignPlan, design_plan
from bayesmodels.planning.effects import EffectPrior
from bayesmodels.planning.endpoint import PlannedEndpoint
from bayesmodels.planning.grid import Grid
from bayesmodels.planning.looks import InterimLooks
from bayesmodels.planning.programmes import Programmes
from bayesmodels.planning.results import TARGETS
from bayesmodels.run.config import checked_model, read_toml
from bayesmodels.trials.config import checked_sections
from bayesmodels.trials.truths import Design, GeneratorTruth, Reading

_STRICT = ConfigDict(frozen=True, extra="forbid")

TRIALS = 500
"""Simulated trials a cell unless said: a share of .8 has limits of about .76 to .83."""


class Planning(BaseModel):
    """`[planning]`: what analyses the simulated trials, how many there are, and from which seed.

    Parameters
    ----------
    name : str, optional
        Default: that of the file.
    engine : {"fast", "model"}
        What analyses every simulated trial: ANCOVA with a normal prior, or the model of `[model]`, fitted.
    trials : int
        Simulated trials a cell; more may be asked for later.
    seed : int
        Of the whole; each trial has its own, derived from it.
    interval : float
        Level of the equal-tailed intervals.
    targets : tuple of float
        Powers whose sizes are looked for.
    """

    model_config = _STRICT

    name: str | None = None
    engine: Literal["fast", "model"] = "fast"
    trials: Annotated[int, Field(ge=1, le=1_000_000)] = TRIALS
    seed: Annotated[int, Field(ge=0)] = 1
    interval: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95
    targets: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1)] = TARGETS


class DesignSections(BaseModel):
    """The whole file; `[model]` is checked by a class of its own."""

    model_config = _STRICT

    planning: Planning
    grid: Grid
    endpoints: Annotated[tuple[PlannedEndpoint, ...], Field(min_length=1)]
    truth: GeneratorTruth = GeneratorTruth()
    design: Design = Design()
    assurance: EffectPrior | None = None
    interim: InterimLooks | None = None
    programmes: Programmes | None = None
    study: Reading = Reading()
    model: dict[str, Any] | None = None
    sampling: NutsSettings = NutsSettings(chains=2, tune=500, draws=500)

    @model_validator(mode="after")
    def _a_model_where_one_is_fitted(self) -> DesignSections:
        if self.planning.engine == "model" and self.model is None:
            raise ValueError('[model]: expected one, since [planning] engine is "model", found none')
        return self


@dataclass(frozen=True)
class DesignConfig:
    """A configuration that was checked.

    Attributes
    ----------
    path : Path
    text : str
        What it says, word for word.
    sections : DesignSections
    plan : DesignPlan
        Without true differences, which take a simulation (`design_plan.with_truths`).
    left_out : tuple of dict
        Combinations of the grid that the generator cannot have.
    """

    path: Path
    text: str
    sections: DesignSections
    plan: DesignPlan
    left_out: tuple[dict[str, float], ...]

    @property
    def name(self) -> str:
        """Name of the planned trial, by default of the file."""
        return self.sections.planning.name or self.path.stem


def read_design_config(path: str | Path) -> DesignConfig:
    """Read and check the configuration of a planned trial.

    Parameters
    ----------
    path : str or Path
        A TOML file.

    Returns
    -------
    DesignConfig

    Raises
    ------
    BadConfig
        Every problem of the file, one line each, with file and key.
    """
    path = Path(path)
    text, raw = read_toml(path)
    problems: list[str] = []
    with modules_beside(path.parent):
        model = checked_model(raw.get("model"), path.name, problems) if "model" in raw else None
    sections = checked_sections(DesignSections, raw, path.name, problems, unbounded="prior_sd")
    if problems or sections is None:
        raise BadConfig(problems)
    try:
        plan, left_out = design_plan(
            grid=sections.grid, endpoints=sections.endpoints, design=sections.design, truth=sections.truth,
            assurance=sections.assurance, interim=sections.interim,
            model=model if sections.planning.engine == "model" else None, settings=sections.sampling,
            reading=sections.study, seed=sections.planning.seed, interval=sections.planning.interval,
            folder=path.parent,
        )  # fmt: skip
    except BadInput as error:
        raise BadConfig(f"{path.name}: {problem}" for problem in error.problems) from error
    return DesignConfig(path, text, sections, plan, left_out)


def is_of_design(path: Path) -> bool:
    """Whether a file is the configuration of a planned trial: it has `[planning]`.

    Parameters
    ----------
    path : Path
    """
    try:
        return path.is_file() and "planning" in read_toml(path)[1]
    except BadConfig:
        return False


def design_problems(path: Path) -> tuple[list[str], list[str]]:
    """Every problem of the configuration of a planned trial, and what is doubtful: as of `run.check.checked`.

    Parameters
    ----------
    path : Path
    """
    try:
        read = read_design_config(path)
    except BadConfig as error:
        return list(error.problems), []
    return [], [left_out_said(read.left_out)] if read.left_out else []


def left_out_said(left_out: tuple[dict[str, float], ...]) -> str:
    """Sentence on the combinations that the generator cannot have.

    Parameters
    ----------
    left_out : tuple of dict
    """
    n = len(left_out)
    return (
        f"{n} combination{'s' * (n > 1)} of the grid left out: a drug with nfl_ratio = 1 that removes decline; the "
        "generator's effect on function follows the drop of NfL"
    )
