"""The configuration of a study of many simulated trials: one TOML file, read and checked; every problem at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bayesmodels.errors import BadConfig, BadInput
from bayesmodels.fitted import model_spec
from bayesmodels.fitting import NutsSettings
from bayesmodels.parts.lookup import modules_beside
from bayesmodels.run.config import checked_model, read_toml
from bayesmodels.run.config_problems import config_problems, number_problems
from bayesmodels.trials.kept import Kept, Rule, variables_of, weeks_of
from bayesmodels.trials.plan import Plan
from bayesmodels.trials.refits import ModelFits
from bayesmodels.trials.truths import (
    AnyTruth,
    Design,
    GeneratorTruth,
    PosteriorTruth,
    PriorTruth,
    Reading,
    SimulatedStudies,
)

_STRICT = ConfigDict(frozen=True, extra="forbid")

TRUTHS: Mapping[str, type[BaseModel]] = {"generator": GeneratorTruth, "prior": PriorTruth, "posterior": PosteriorTruth}

FITS = 200
"""Fits of a study that does not say how many: a share of .05 has limits of about .03 to .09."""


class StudyOfTrials(BaseModel):
    """`[trials]`: the study as a whole, with how many fits and from which seed.

    Parameters
    ----------
    name : str, optional
        Default: that of the file.
    fits : int
        More may be asked for later.
    seed : int
        Of the whole study; each fit has its own, derived from it.
    interval : float
        Level of the equal-tailed intervals.
    """

    model_config = _STRICT

    name: str | None = None
    fits: Annotated[int, Field(ge=1, le=1_000_000)] = FITS
    seed: Annotated[int, Field(ge=0)] = 1
    interval: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95


class TrialsSections(BaseModel):
    """The whole file; `[model]` and `[truth]` are checked by classes of their own."""

    model_config = _STRICT

    trials: StudyOfTrials = StudyOfTrials()
    truth: dict[str, Any] = {}
    design: Design = Design()
    study: Reading = Reading()
    model: dict[str, Any]
    keep: tuple[Kept, ...] = ()
    decide: tuple[Rule, ...] = ()
    sampling: NutsSettings = NutsSettings(chains=2, tune=500, draws=500)

    @model_validator(mode="after")
    def _something_is_kept(self) -> TrialsSections:
        names = [rule.name for rule in self.decide]
        if not self.keep and not self.decide:
            raise ValueError("expected [[keep]] or [[decide]], what is kept of every fit, found neither")
        if len(set(names)) < len(names):
            raise ValueError("[[decide]]: expected names that differ; give each rule its own")
        return self


@dataclass(frozen=True)
class TrialsConfig:
    """A configuration that was checked.

    Attributes
    ----------
    path : Path
    text : str
        What it says, word for word.
    sections : TrialsSections
    plan : Plan
    """

    path: Path
    text: str
    sections: TrialsSections
    plan: Plan

    @property
    def name(self) -> str:
        """Name of the study, by default of the file."""
        return self.sections.trials.name or self.path.stem


def read_trials_config(path: str | Path) -> TrialsConfig:
    """Read and check the configuration of a study of many simulated trials.

    Parameters
    ----------
    path : str or Path
        A TOML file.

    Returns
    -------
    TrialsConfig

    Raises
    ------
    BadConfig
        Every problem of the file, one line each, with file and key.
    """
    path = Path(path)
    text, raw = read_toml(path)
    problems: list[str] = []
    with modules_beside(path.parent):
        model = checked_model(raw.get("model"), path.name, problems)
    truth = _truth(raw.get("truth", {}), path.name, problems)
    sections = checked_sections(TrialsSections, raw, path.name, problems)
    if problems or sections is None or truth is None:
        raise BadConfig(problems)
    try:
        plan = plan_of(
            model, design=sections.design, truth=truth, reading=sections.study, keep=sections.keep,
            rules=sections.decide, settings=sections.sampling, seed=sections.trials.seed,
            interval=sections.trials.interval, folder=path.parent,
        )  # fmt: skip
    except BadInput as error:
        raise BadConfig(f"{path.name}: {problem}" for problem in error.problems) from error
    return TrialsConfig(path, text, sections, plan)


def checked_sections[Sections: BaseModel](
    kind: type[Sections], raw: Mapping[str, Any], file: str, problems: list[str], *, unbounded: str | None = None
) -> Sections | None:
    """Sections of a file of many simulated trials, checked; None where they cannot be read.

    Parameters
    ----------
    kind : type of BaseModel
        With a field `sampling`.
    raw : mapping
        The file.
    file : str
        Its name.
    problems : list of str
        Those found before; to these are added those of the sections, of the sampler's settings and of numbers.
    unbounded : str, optional
        A key whose numbers may be infinite.
    """
    sections: Sections | None = None
    try:
        sections = kind.model_validate(raw)
        problems += sampling_problems(sections.sampling, file)  # type: ignore[attr-defined]
    except ValidationError as error:
        problems += config_problems(error, file, kind, raw)
    places = [problem.partition(" expected ")[0] for problem in problems]
    for line in number_problems(raw, file):
        said = line.partition(" expected ")[0] in places
        if not said and (unbounded is None or unbounded not in line):
            problems.append(line)
    return sections


def is_of_trials(path: Path) -> bool:
    """Whether a file is the configuration of a study of many trials, by its sections.

    Parameters
    ----------
    path : Path
    """
    try:
        return path.is_file() and bool({"trials", "truth", "design", "keep", "decide"} & set(read_toml(path)[1]))
    except BadConfig:
        return False


def trials_problems(path: Path) -> tuple[list[str], list[str]]:
    """Every problem of the configuration of a study of many trials, and no warnings: as of `run.check.checked`.

    Parameters
    ----------
    path : Path
    """
    try:
        read_trials_config(path)
    except BadConfig as error:
        return list(error.problems), []
    return [], []


def plan_of(
    model: Any,
    *,
    design: Design,
    truth: AnyTruth,
    reading: Reading,
    keep: Sequence[Kept],
    rules: Sequence[Rule],
    settings: NutsSettings,
    seed: int,
    interval: float,
    folder: Path | None = None,
) -> Plan:
    """The plan of a study of simulated trials, checked against a first trial.

    Parameters
    ----------
    model : Model
        Fitted to every trial.
    design : Design
    truth : GeneratorTruth, PriorTruth or PosteriorTruth
    reading : Reading
    keep : sequence of Kept
    rules : sequence of Rule
    settings : NutsSettings
    seed : int
    interval : float
    folder : Path, optional
        Where a posterior's relative path begins.

    Returns
    -------
    Plan

    Raises
    ------
    BadInput
        The model is not one for such trials, or does not have what is kept.
    """
    weeks = reading.curve_weeks or tuple(sorted({0.0, *weeks_of(keep, rules)}))
    groups = [group.name for group in design.trial.start_groups]
    if reading.reference_group is not None and reading.reference_group not in groups:
        known = ", ".join(groups)
        raise BadInput(f"[study] reference_group: expected one of {known}, got {reading.reference_group!r}")
    variables = variables_of(keep, rules)
    source = SimulatedStudies(design, truth, reading, weeks)
    said = {
        "model": model_spec(model), "design": design.trial.model_dump(mode="json"), "data_lock": design.data_lock,
        "truth": truth.model_dump(mode="json"), "study": reading.model_dump(mode="json"), "curve_weeks": list(weeks),
    }  # fmt: skip
    fits = ModelFits(model, variables)
    plan = Plan(
        source, fits, tuple(keep), tuple(rules), settings, seed, interval,
        drawn=isinstance(truth, PriorTruth), said=said,
    )  # fmt: skip
    plan.check()
    if isinstance(truth, PosteriorTruth):
        draws, digest = _posterior(truth, fits, plan, folder)
        plan = replace(plan, fits=ModelFits(model, variables, draws), said={**said, "posterior": digest})
    return replace(plan, truth=source.truths(variables))


def _posterior(
    truth: PosteriorTruth, fits: ModelFits, plan: Plan, folder: Path | None
) -> tuple[dict[str, np.ndarray], str]:
    """Free variables (draw, ...) of a posterior, and the digest of its file."""
    from bayesmodels.files import file_sha256
    from bayesmodels.posterior.archive import load

    path = truth.posterior if folder is None else folder / truth.posterior
    held = load(path)["posterior"].to_dataset()
    pm_model = fits.model.build(plan.trial(0))
    known = pm_model.eval_rv_shapes()
    shapes = {rv.name: tuple(int(size) for size in known[rv.name]) for rv in pm_model.free_RVs}
    where = f"[truth] posterior: {truth.posterior}"
    problems = []
    for name, shape in shapes.items():
        came = tuple(held[name].shape[2:]) if name in held else "none"
        if came != shape:
            problems.append(
                f"{where}: expected {name} of shape {shape}, found {came}; fit the model of [model] to the same start "
                "groups and strata"
            )
    for dim in ("start_group", "stratum", "outcome"):
        own = [str(label) for label in pm_model.coords.get(dim) or ()]
        theirs = [str(label) for label in held[dim].to_numpy()] if dim in held.coords else own
        if theirs != own:
            problems.append(f"{where}: expected {dim} {', '.join(own)}, found {', '.join(theirs)}")
    if problems:
        raise BadInput(problems)
    stacked = {name: held[name].stack(every=("chain", "draw")).transpose("every", ...) for name in shapes}
    return {name: values.to_numpy() for name, values in stacked.items()}, file_sha256(path)


def _truth(spec: Any, file: str, problems: list[str]) -> AnyTruth | None:
    if not isinstance(spec, dict):
        return None  # said by the check of the whole file
    kind = spec.get("type", "generator")
    if kind not in TRUTHS:
        problems.append(f"{file}: [truth] type: expected {', '.join(TRUTHS)}, got {kind!r}")
        return None
    cls: Any = TRUTHS[kind]
    try:
        return cls.model_validate(spec)
    except ValidationError as error:
        problems += config_problems(error, file, cls, spec, prefix=("truth",))
    return None


def sampling_problems(settings: NutsSettings, file: str) -> list[str]:
    """Settings of the sampler that fits of many simulated trials cannot have, a line each.

    Parameters
    ----------
    settings : NutsSettings
    file : str
        Name of the TOML file.
    """
    found = []
    if settings.seed is not None:
        found.append(f"{file}: [sampling] seed: expected none, since every fit has its own; say [trials] seed")
    if settings.sampler != "nutpie":
        found.append(
            f'{file}: [sampling] sampler: expected "nutpie", which refits, got {settings.sampler!r}; delete it'
        )
    return found
