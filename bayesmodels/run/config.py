"""The configuration of a run: one TOML file, read, checked and hashed. Every problem is listed at once."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bayesmodels.errors import BadConfig, BadInput, expect
from bayesmodels.fitting.settings import NutsSettings
from bayesmodels.parts.lookup import modules_beside, own_code
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.run.config_analyses import DropoutSection, RankSection, section_problems
from bayesmodels.run.config_problems import LONGEST, config_problems, number_problems
from bayesmodels.study.problem import plain

EVIDENCE_TABLE = "valor_visits"
"""The package's own table of means."""

TRIALS_TABLE = "als_trials"
"""The package's own table of trials."""

TRIAL_LEVEL = "trial_level"
"""Type of the model that reads a table of trials."""

_STRICT = ConfigDict(frozen=True, extra="forbid")


class StudySection(BaseModel):
    """`[study]`: the tables of a trial and what they do not say; paths are relative to the config file."""

    model_config = _STRICT

    name: str | None = None
    persons: Path
    visits: Path
    events: Path | None = None
    reference_group: str | None = None
    strata: bool = False
    controlled_week: float | None = Field(None, gt=0)
    curve_weeks: tuple[float, ...] | None = None
    distinct_labels: tuple[tuple[str, ...], ...] = ()
    event_labels: dict[str, str] = {}


class DataSection(BaseModel):
    """`[data]`: published visit-level means.

    Either ``table = "valor_visits"``, the package's own, with `series` and what
    `bayesmodels.study.evidence.means_table` takes; or ``table = "means.csv"``, a file of one's own, with
    `drug_start_week` and `reference_group`, and with `distinct_labels` where labels that look like spellings of one
    are not.
    """

    model_config = _STRICT

    name: str | None = None
    table: str
    series: str | tuple[str, ...] | dict[str, tuple[float, float]] | None = None
    until_week: float | None = Field(None, gt=0)
    outcomes: tuple[str, ...] | None = None
    strata: tuple[str, ...] | None = None
    digitised: Literal["keep", "drop", "inflate"] | None = None
    delayed_start_week: float | None = None
    drug_start_week: dict[str, float] | None = None
    reference_group: str | None = None
    distinct_labels: tuple[tuple[str, ...], ...] | None = None

    @property
    def is_file(self) -> bool:
        """Whether the table is a file of the user's."""
        return self.table.endswith((".csv", ".parquet"))

    @model_validator(mode="after")
    def _keys_fit_the_table(self) -> DataSection:
        own, package = {"drug_start_week", "reference_group"}, {"series", "until_week", "outcomes", "strata"}
        package |= {"digitised", "delayed_start_week"}
        given = self.model_fields_set
        if not self.is_file and self.table != EVIDENCE_TABLE:
            raise ValueError(f"expected table = a .csv or .parquet file, or {EVIDENCE_TABLE!r}, got {self.table!r}")
        missing = sorted(own - given) if self.is_file else []
        extra = sorted(given & (package if self.is_file else own | {"distinct_labels"}))
        if missing or extra:
            lines = [f"{name}: expected with a table of one's own, found none" for name in missing]
            kind = "a table of one's own" if self.is_file else f"table = {EVIDENCE_TABLE!r}"
            raise ValueError("\n".join([*lines, *(f"{name}: not used with {kind}; delete it" for name in extra)]))
        return self


class TrialsSection(BaseModel):
    """`[data]` of a trial-level model: effects of trials on a surrogate and on an outcome.

    Either ``table = "als_trials"``, the package's own, whose labels, units and good directions are known; or
    ``table = "trials.csv"``, a file of one's own.
    """

    model_config = _STRICT

    name: str | None = None
    table: str
    one_sided: Literal["unused", "used"] = "unused"
    valor: Literal["whole", "strata"] | None = None
    surrogate: str | None = None
    outcome: str | None = None
    surrogate_unit: str | None = None
    outcome_unit: str | None = None
    surrogate_good: Literal["up", "down"] | None = None
    outcome_good: Literal["up", "down"] | None = None
    distinct_labels: tuple[tuple[str, ...], ...] | None = None

    @property
    def is_file(self) -> bool:
        """Whether the table is a file of the user's."""
        return self.table.endswith((".csv", ".parquet"))

    @model_validator(mode="after")
    def _keys_fit_the_table(self) -> TrialsSection:
        if not self.is_file and self.table != TRIALS_TABLE:
            raise ValueError(f"expected table = a .csv or .parquet file, or {TRIALS_TABLE!r}, got {self.table!r}")
        own = {"surrogate", "outcome", "surrogate_unit", "outcome_unit", "surrogate_good", "outcome_good"}
        own |= {"distinct_labels"}
        extra = sorted(self.model_fields_set & ({"valor"} if self.is_file else own))
        if extra:
            kind = "a table of one's own" if self.is_file else f"table = {TRIALS_TABLE!r}"
            raise ValueError("\n".join(f"{name}: not used with {kind}; delete it" for name in extra))
        return self


class ArchiveSection(BaseModel):
    """`[archive]`: what of the persons is stored beside the posterior."""

    model_config = _STRICT

    persons: bool = False


class Sections(BaseModel):
    """The whole file; `model` is checked by the models themselves."""

    model_config = _STRICT

    study: StudySection | None = None
    data: DataSection | TrialsSection | None = None
    model: dict[str, Any]
    sampling: NutsSettings = NutsSettings()
    report: ReportSettings = ReportSettings()
    archive: ArchiveSection = ArchiveSection()
    dropout: DropoutSection | None = None
    rank: RankSection | None = None


class MeansSections(Sections):
    """The file of a model of published means, or of persons."""

    data: DataSection | None = None


class TrialSections(Sections):
    """The file of a trial-level model."""

    data: TrialsSection | None = None


@dataclass(frozen=True)
class Config:
    """A configuration that was checked.

    Attributes
    ----------
    path : Path
        The TOML file.
    text : str
        What it says, word for word.
    sections : Sections
    model : BaseModel
        The model that `[model]` describes.
    """

    path: Path
    text: str
    sections: Sections
    model: Any

    @property
    def name(self) -> str:
        """Name of the study or data, by default of the file."""
        section = self.sections.study or self.sections.data
        return (section.name if section else None) or self.path.stem


def read_config(path: str | Path) -> Config:
    """Read and check a configuration.

    Raises
    ------
    BadConfig
        Every problem of the file, one line each, with file and key. Tables are not opened.
    """
    expect(path, (str, Path), "path", "give the path of a TOML file")
    path = Path(path)
    text, raw = read_toml(path)
    problems: list[str] = []
    spec = raw.get("model")
    with modules_beside(path.parent):
        model = _model(spec, path.name, problems)
    kind = TrialSections if isinstance(spec, dict) and spec.get("type") == TRIAL_LEVEL else MeansSections
    try:
        sections = kind.model_validate(raw)
        problems += _data_problems(sections, path.name)
        problems += section_problems(sections.dropout, sections.rank, sections.study is not None, model, path.name)
    except ValidationError as error:
        problems += config_problems(error, path.name, kind, raw)
    sizes = [line for line in number_problems(raw, path.name) if not _told(line, problems)]
    if problems or sizes:
        raise BadConfig([*problems, *sizes])
    return Config(path, text, sections, model)


def own_code_of(path: Path) -> list[str]:
    """Names `package.module:Class` in the `[model]` of a file: reading it as a configuration imports and runs them.

    Empty for a folder, and for what is not TOML.
    """
    try:
        return own_code(read_toml(path)[1].get("model"))
    except BadConfig:
        return []


def read_report_settings(path: Path) -> ReportSettings:
    """Read the `[report]` of a configuration, whatever else it holds.

    Raises
    ------
    BadConfig
        Every problem of that section.
    """
    _, raw = read_toml(path)
    try:
        return ReportSettings.model_validate(raw.get("report", {}))
    except ValidationError as error:
        raise BadConfig(config_problems(error, path.name, ReportSettings, prefix=("report",))) from error


def config_hash(config: Config, digests: Iterable[str]) -> str:
    """Return the 8 hex digits that identify a run.

    SHA-256 of the checked configuration as sorted JSON, without paths, name, cores, progress and limits of convergence,
    and of the digests of the data. `event_labels` and `distinct_labels` are in the digests: these are of the tables as
    they say to read them.
    """
    said = {"distinct_labels", "event_labels"}
    sections = config.sections
    spec = {
        "study": sections.study.model_dump(mode="json", exclude={"name", "persons", "visits", "events"} | said)
        if sections.study
        else None,
        "data": sections.data.model_dump(mode="json", exclude={"name", "table"} | said) if sections.data else None,
        "model": config.model.model_dump(mode="json") if hasattr(config.model, "model_dump") else sections.model,
        "sampling": sections.sampling.model_dump(mode="json", exclude={"cores", "progress"}),
        "report": sections.report.model_dump(mode="json", exclude={"convergence"}),
        "archive": sections.archive.model_dump(mode="json"),
        "digests": list(digests),
    }
    asked = {"dropout": sections.dropout, "rank": sections.rank}
    spec |= {name: section.model_dump(mode="json") for name, section in asked.items() if section is not None}
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]


def slug(name: str) -> str:
    """Return a name as lower-case letters, digits and hyphens: the start of a folder's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "run"


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Text and content of a TOML file, whatever keys it has.

    Raises
    ------
    BadConfig
        It cannot be read, or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise BadConfig(f"{path}: cannot be read ({error.strerror}); expected a TOML file") from error
    except RecursionError as error:
        raise BadConfig(f"{path}: not valid TOML: lists or tables are nested too deeply") from error
    except ValueError as error:  # not UTF-8, not TOML, or a number of thousands of digits
        raise BadConfig(f"{path}: not valid TOML: {plain(error, LONGEST)}") from error


def _model(spec: Any, file: str, problems: list[str]) -> Any:
    if not isinstance(spec, dict):
        return None  # the section is missing or not a table: said by the check of the whole file
    from bayesmodels.models import model_class, model_from_spec

    try:
        return model_from_spec(spec)
    except ValidationError as error:
        problems += config_problems(error, file, model_class(spec.get("type")), spec, prefix=("model",))
    except BadInput as error:
        problems += [f"{file}: {problem}" for problem in error.problems]
    return None


def _told(line: str, problems: list[str]) -> bool:
    """Whether another line is about the same key."""
    place = line.partition(" expected ")[0]
    return any(problem.startswith(place) for problem in problems)


def _data_problems(sections: Sections, file: str) -> list[str]:
    if (sections.study is None) == (sections.data is None):
        came = "neither" if sections.study is None else "both"
        return [f"{file}: expected either [study] (tables of persons) or [data] (published means), found {came}"]
    if isinstance(sections, TrialSections) and sections.data is None:
        return [f"{file}: expected [data] (a table of trials) with a trial_level model, found [study]"]
    if sections.archive.persons and sections.study is None:
        return [f"{file}: [archive] persons: expected false with [data], which has no persons"]
    return []
