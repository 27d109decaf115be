"""The configuration of a dossier: where its evidence is, and the words that only the sponsor can say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bayesmodels.errors import BadConfig, expect
from bayesmodels.run.config import read_toml
from bayesmodels.run.config_problems import config_problems, number_problems
from bayesmodels.trials.kept import Rule

FILE = "dossier.toml"
"""Name that a folder's configuration has."""

_STRICT = ConfigDict(frozen=True, extra="forbid")

Words = Annotated[str, Field(min_length=1)]

Strategy = Literal["treatment policy", "hypothetical", "composite", "while on treatment", "principal stratum"]
"""How an intercurrent event is dealt with: the five strategies of ICH E9(R1)."""


class Sponsor(BaseModel):
    """`[dossier]`: the run, and what the sponsor says of the trial as a whole.

    Parameters
    ----------
    name : str
        Title of the page.
    run : Path
        Folder of the main run of `bayesmodels fit`, or a folder that holds this one run.
    question : str, optional
        What the trial is to find out.
    prespecified : str, optional
        The document that fixed criteria, priors and analysis, and its date.
    combination : str, optional
        How several success criteria make one decision; with one criterion nothing need be said.
    interim : str, optional
        Interim looks and what could follow from them, or that there were none.
    borrowing : str, optional
        Data from outside the trial that entered it, and how, or that there were none.
    """

    model_config = _STRICT

    name: Words = "Dossier"
    run: Path
    question: Words | None = None
    prespecified: Words | None = None
    combination: Words | None = None
    interim: Words | None = None
    borrowing: Words | None = None


class IntercurrentEvent(BaseModel):
    """`[[estimand.intercurrent_events]]`: an event after randomisation, and how it is dealt with.

    Parameters
    ----------
    event : str
    strategy : str
        "treatment policy", "hypothetical", "composite", "while on treatment" or "principal stratum" (ICH E9(R1)).
    why : str
    """

    model_config = _STRICT

    event: Words
    strategy: Strategy
    why: str = ""


class Estimand(BaseModel):
    """`[estimand]`: the five attributes of ICH E9(R1), in the sponsor's words.

    Parameters
    ----------
    population, treatment, endpoint, summary_measure : str, optional
    intercurrent_events : tuple of IntercurrentEvent
    """

    model_config = _STRICT

    population: Words | None = None
    treatment: Words | None = None
    endpoint: Words | None = None
    summary_measure: Words | None = None
    intercurrent_events: tuple[IntercurrentEvent, ...] = ()


class Criterion(Rule):
    """`[[success]]`: a success criterion, as a `[[decide]]` of `bayesmodels trials` says it.

    Parameters
    ----------
    name, variable, at, favours, beyond, probability
        As of `bayesmodels.trials.Rule`.
    why : str
        Why this quantity and this threshold.
    """

    why: str = ""


class PriorWords(BaseModel):
    """`[[prior]]`: why the sponsor holds a prior to be right.

    Parameters
    ----------
    outcome : str, optional
        Of the table of priors; default any.
    parameter : str, optional
        Of the table of priors; default every parameter that has no words of its own.
    why : str
    """

    model_config = _STRICT

    outcome: Words | None = None
    parameter: Words | None = None
    why: Words

    @model_validator(mode="after")
    def _of_something(self) -> PriorWords:
        if self.outcome is None and self.parameter is None:
            raise ValueError("expected outcome, parameter or both, found neither")
        return self


class SensitivityRun(BaseModel):
    """`[[sensitivity]]`: another run on the same data with something changed.

    Parameters
    ----------
    name : str
    run : Path
        As of `[dossier]`.
    why : str
    """

    model_config = _STRICT

    name: Words
    run: Path
    why: str = ""


class SimulatedTrials(BaseModel):
    """`[[trials]]`: a folder of `bayesmodels trials`.

    Parameters
    ----------
    folder : Path
    name : str, optional
        Default: as its manifest says.
    why : str
        What this truth stands for.
    """

    model_config = _STRICT

    folder: Path
    name: Words | None = None
    why: str = ""


class DossierSections(BaseModel):
    """The whole file."""

    model_config = _STRICT

    dossier: Sponsor
    estimand: Estimand = Estimand()
    success: tuple[Criterion, ...] = ()
    prior: tuple[PriorWords, ...] = ()
    sensitivity: tuple[SensitivityRun, ...] = ()
    trials: tuple[SimulatedTrials, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> DossierSections:
        problems = []
        for word, items in (("success", self.success), ("sensitivity", self.sensitivity)):
            names = [item.name for item in items]
            problems += [
                f"[[{word}]]: expected names that differ, got {name!r} twice"
                for name in dict.fromkeys(names)
                if names.count(name) > 1
            ]
        if problems:
            raise ValueError("\n".join(problems))
        return self


@dataclass(frozen=True)
class DossierConfig:
    """A configuration that was checked.

    Attributes
    ----------
    path : Path
    text : str
        What it says, word for word.
    sections : DossierSections
    """

    path: Path
    text: str
    sections: DossierSections

    def place(self, path: Path) -> Path:
        """A path of the configuration, which is relative to its file.

        Parameters
        ----------
        path : Path
        """
        return self.path.parent / path


def read_dossier_config(path: str | Path) -> DossierConfig:
    """Read and check the configuration of a dossier; the evidence it names is not opened.

    Parameters
    ----------
    path : str or Path
        A TOML file, or a folder with ``dossier.toml``.

    Raises
    ------
    BadConfig
        Every problem of the file, one line each, with file and key.
    """
    expect(path, (str, Path), "source", f"give a TOML file, or a folder with {FILE}")
    path = Path(path)
    if path.is_dir():
        if not (path / FILE).is_file():
            raise BadConfig(f"{path}: expected a folder with {FILE}, found none; write one, or name a TOML file")
        path = path / FILE
    text, raw = read_toml(path)
    problems = list(_problems(raw, path.name))
    if problems:
        raise BadConfig(problems)
    return DossierConfig(path, text, DossierSections.model_validate(raw))


def is_of_dossier(path: Path) -> bool:
    """Whether a file is the configuration of a dossier, by its section of that name.

    Parameters
    ----------
    path : Path
    """
    try:
        return path.is_file() and "dossier" in read_toml(path)[1]
    except BadConfig:
        return False


def dossier_problems(path: Path) -> tuple[list[str], list[str]]:
    """Every problem of the configuration of a dossier, and no warnings: as of `run.check.checked`.

    Parameters
    ----------
    path : Path
    """
    try:
        read_dossier_config(path)
    except BadConfig as error:
        return list(error.problems), []
    return [], []


def _problems(raw: dict[str, Any], file: str) -> Iterator[str]:
    told = []
    try:
        DossierSections.model_validate(raw)
    except ValidationError as error:
        told = config_problems(error, file, DossierSections, raw)
        yield from told
    places = [line.partition(" expected ")[0] for line in told]
    yield from (line for line in number_problems(raw, file) if line.partition(" expected ")[0] not in places)
