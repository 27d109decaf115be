"""The configuration of a run: one TOML file, read, checked and hashed. Every problem is listed at once."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ValidationError, create_model

from bayesmodels.errors import BadConfig, BadInput, expect
from bayesmodels.fitting.settings import NutsSettings
from bayesmodels.parts.lookup import class_of, modules_beside, own_code
from bayesmodels.reporting.settings import ReportSettings
from bayesmodels.run.config_problems import LONGEST, config_problems, number_problems
from bayesmodels.run.sections import MeansSections, Sections, TrialSections
from bayesmodels.study.problem import plain

if TYPE_CHECKING:
    from bayesmodels.analyses.analysis import Analysis

TRIAL_LEVEL = "trial_level"
"""Type of the model that reads a table of trials."""


class _Section(NamedTuple):
    """A section that is an analysis: its class, and the key that turns it on with what an absent one means."""

    path: str
    switch: str | None = None
    default: bool = True


_ANALYSES = {
    "leave_one_out": _Section("bayesmodels.analyses.leave_one_out:LeaveOneOut", "on"),
    "model_sensitivity": _Section("bayesmodels.analyses.model_sensitivity:ModelSensitivity"),
    "dropout": _Section("bayesmodels.analyses.dropout.analysis:Dropout"),
    "rank": _Section("bayesmodels.analyses.ranks.analysis:Ranks"),
    "archive": _Section("bayesmodels.analyses.person_archive:PersonArchive", "persons", False),
}
"""Sections that are analyses, in the order in which they are computed."""


def _with_analyses(kind: type[Sections]) -> type[Sections]:
    """The same file with a key for every section that is an analysis."""
    fields: dict[str, Any] = {name: (dict[str, Any] | None, None) for name in _ANALYSES}
    return create_model(kind.__name__, __base__=kind, **fields)


_TRIALS, _OTHERS = _with_analyses(TrialSections), _with_analyses(MeansSections)

_FROM_REPORT = ("interval", "trials_needed")
"""Fields of an analysis that `[report]` fills where the analysis's own section does not."""


@dataclass(frozen=True)
class Config:
    """A configuration that was checked: ``fit(c.model, c.read(), c.settings, c.analyses)`` is what it describes.

    Attributes
    ----------
    path : Path
        The TOML file.
    text : str
        What it says, word for word.
    sections : Sections
    model : BaseModel
        The model that `[model]` describes.
    analyses : tuple of Analysis
        What is computed after the fit.
    """

    path: Path
    text: str
    sections: Sections
    model: Any
    analyses: tuple[Analysis, ...] = ()

    @property
    def name(self) -> str:
        """Name of the study or data, by default of the file."""
        section = self.sections.study or self.sections.data
        return (section.name if section else None) or self.path.stem

    @property
    def settings(self) -> NutsSettings:
        """Settings of the sampler: `[sampling]`."""
        return self.sections.sampling

    @property
    def report(self) -> ReportSettings:
        """Choices of the report: `[report]`."""
        return self.sections.report

    def read(self) -> Any:
        """Read the tables that it names.

        Returns
        -------
        Study, MeansTable or TrialTable

        Raises
        ------
        BadInput
            Every problem of the tables.
        """
        study, data = self.sections.study, self.sections.data
        if study is not None:
            borrowing = getattr(self.model, "borrowing", None)
            return study.read(self.path.parent, self.name, getattr(borrowing, "trial", None))
        assert data is not None  # read_config requires one of the two
        return data.read(self.path.parent, self.name)


def read_config(path: str | Path) -> Config:
    """Read and check a configuration.

    Parameters
    ----------
    path : str or Path
        A TOML file.

    Returns
    -------
    Config
        With `model`, `read()` for the data, `settings`, `analyses` and `report`.

    Raises
    ------
    BadConfig
        Every problem of the file, one line each, with file and key. Tables are not opened.
    """
    expect(path, (str, Path), "path", "give the path of a TOML file")
    path = Path(path)
    return config_of(path, *read_toml(path))


def config_of(path: Path, text: str, raw: dict[str, Any]) -> Config:
    """Check the content of a configuration; otherwise as `read_config`.

    Parameters
    ----------
    path : Path
        Where it is, or would be: its folder is where relative paths and classes of one's own are looked for.
    text : str
    raw : dict
        What the text says.
    """
    problems: list[str] = []
    spec = raw.get("model")
    kind = _TRIALS if isinstance(spec, dict) and spec.get("type") == TRIAL_LEVEL else _OTHERS
    with modules_beside(path.parent):
        model = checked_model(spec, path.name, problems)
        analyses = tuple(_analyses(raw, path.name, problems))
    try:
        sections = kind.model_validate(raw)
        problems += _data_problems(sections, path.name)
        problems += _analysis_problems(analyses, model, sections.study is not None, path.name)
    except ValidationError as error:
        problems += config_problems(error, path.name, kind, raw)
    sizes = [line for line in number_problems(raw, path.name) if not _told(line, problems)]
    if problems or sizes:
        raise BadConfig([*problems, *sizes])
    return Config(path, text, sections, model, analyses)


def own_code_of(path: Path) -> list[str]:
    """Names `package.module:Class` of models, parts and analyses: reading the configuration imports and runs them.

    Empty for a folder, and for what is not TOML.
    """
    try:
        raw = read_toml(path)[1]
        return own_code([raw.get("model"), raw.get("analyses")])
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
    from bayesmodels.fitted import model_spec

    said = {"distinct_labels", "event_labels"}
    sections = config.sections
    spec = {
        "study": sections.study.model_dump(mode="json", exclude={"name", "persons", "visits", "events"} | said)
        if sections.study
        else None,
        "data": sections.data.model_dump(mode="json", exclude={"name", "table"} | said) if sections.data else None,
        "model": model_spec(config.model),
        "sampling": config.settings.model_dump(mode="json", exclude={"cores", "progress"}),
        "report": config.report.model_dump(mode="json", exclude={"convergence"}),
        "analyses": [model_spec(each) for each in config.analyses],
        "digests": list(digests),
    }
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
        hint = _hint(text, str(error))
        raise BadConfig(f"{path}: not valid TOML: {plain(error, LONGEST)}{hint}") from error


def _hint(text: str, error: str) -> str:
    """What is wrong with a value that is no TOML, where that can be told from how it begins."""
    place = re.search(r"Invalid value \(at line (\d+), column (\d+)\)", error)
    if place is None:
        return ""
    word = text.splitlines()[int(place[1]) - 1][int(place[2]) - 1 :].split("#")[0].strip()
    if word in ("True", "False"):
        return f"; write {word.lower()}"
    if re.match(r"[+-]?\.\d", word):
        return "; a number begins with a digit: 0.5"
    return "; text stands in quotes" if re.match(r"[A-Za-z]", word) and word != "None" else ""


def checked_model(spec: Any, file: str, problems: list[str]) -> Any:
    """Return the model that a `[model]` describes, or None; what is wrong with it is added to the problems.

    Parameters
    ----------
    spec : mapping
        As read from TOML.
    file : str
        Name of the file, for the lines.
    problems : list of str
        Lines are appended.
    """
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


def _analyses(raw: Mapping[str, Any], file: str, problems: list[str]) -> Iterator[Analysis]:
    """Yield the analyses that the file asks for; what is wrong with one becomes lines."""
    try:
        report = ReportSettings.model_validate(raw.get("report", {}))
    except ValidationError:  # said by the check of the whole file
        report = ReportSettings()
    for name, section in _ANALYSES.items():
        spec = raw.get(name)
        if name == "leave_one_out" and spec is None and _type(raw.get("model")) == TRIAL_LEVEL:
            spec = {}
        if isinstance(spec, dict):
            cls: Any = class_of("analysis", {}, section.path, "compute")
            accepted = cls
            if section.switch is not None:
                switch: dict[str, Any] = {section.switch: (bool, section.default)}
                accepted = create_model(cls.__name__, __base__=cls, **switch)
            found = _validated(accepted, spec, report, file, (name,), problems)
            if found is not None and (section.switch is None or getattr(found, section.switch)):
                yield cls.model_validate(found.model_dump(exclude={section.switch or ""}))
            elif found is not None and name == "leave_one_out" and report.trials_needed:
                problems.append(
                    f"{file}: [report] trials_needed: expected refits without each programme with it, found "
                    f"[{name}] {section.switch} = false; delete one of the two"
                )
    listed = raw.get("analyses")
    known = {name: class_of("analysis", {}, section.path, "compute") for name, section in _ANALYSES.items() if listed}
    for number, spec in enumerate(listed if isinstance(listed, list) else []):
        try:
            cls = class_of("analysis", known, _type(spec), "compute")
        except ValueError as error:
            problems.append(f"{file}: [analyses] no. {number + 1}, type: {error}")
            continue
        fields = {key: value for key, value in spec.items() if key != "type"}
        found = _validated(cls, fields, report, file, ("analyses", number), problems)
        if found is not None:
            yield found


def _validated(
    cls: type[BaseModel], spec: Any, report: ReportSettings, file: str, place: tuple[Any, ...], problems: list[str]
) -> Any:
    filled = {name: getattr(report, name) for name in _FROM_REPORT if name in cls.model_fields}
    try:
        return cls.model_validate(filled | spec)
    except ValidationError as error:
        problems += config_problems(error, file, cls, spec, prefix=place)
    return None


def _analysis_problems(analyses: Iterable[Analysis], model: Any, persons: bool, file: str) -> Iterator[str]:
    """What does not fit between analyses and model, whatever the tables; nothing where the model has problems."""
    from bayesmodels.analyses.analysis import title, told

    for analysis in analyses if model is not None else ():
        if hasattr(analysis, "model_problems"):
            for problem in analysis.model_problems(model, persons):
                yield f"{file}: {told(title(analysis), problem)}"


def _type(spec: Any) -> Any:
    return spec.get("type") if isinstance(spec, dict) else None


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
    return []
