"""Every field of every section of a configuration, read off the pydantic models and their docstrings."""

import inspect
import re
import types
import typing
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from numpydoc.docscrape import NumpyDocString
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

PRIORS = ("Normal", "HalfNormal", "LogNormal")


class Field(NamedTuple):
    """A field of a section: what a reader has to know to write it."""

    name: str
    kind: str
    default: str
    meaning: str


class Place(NamedTuple):
    """A section of the file, or a part of one: heading, where it stands, and its class."""

    title: str
    written: str
    model: type[BaseModel]


def fields_of(model: type[BaseModel]) -> list[Field]:
    """Fields of a pydantic model in order, without its `type`.

    Parameters
    ----------
    model : subclass of BaseModel
        Its docstring, or that of a class it inherits from, has a numpydoc section `Parameters`.
    """
    said = described(model)
    return [
        Field(name, *_kind_and_meaning(info, said.get(name, ("", ""))))
        for name, info in model.model_fields.items()
        if name != "type"
    ]


def described(model: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """Parameter to its type and meaning in words; what a class leaves to the one it inherits from is read there.

    Parameters
    ----------
    model : subclass of BaseModel
    """
    found: dict[str, tuple[str, str]] = {}
    for cls in reversed(model.__mro__):
        if not (isinstance(cls, type) and issubclass(cls, BaseModel)) or "__doc__" not in vars(cls):
            continue
        for parameter in NumpyDocString(inspect.cleandoc(cls.__doc__ or ""))["Parameters"]:
            text = " ".join(line.strip() for line in parameter.desc).strip()
            for name in (part.strip() for part in parameter.name.split(",")):
                if name not in found or not text.startswith("As of"):
                    found[name] = (parameter.type, text)
    return found


def _kind_and_meaning(info: FieldInfo, said: tuple[str, str]) -> tuple[str, str, str]:
    kind, meaning = said
    required = info.is_required()
    default = "required" if required else written(info.get_default(call_default_factory=True))
    return in_words(kind.removesuffix(", optional")) or kind_of(info.annotation), default, meaning


WORDS = {
    "str": "text",
    "bool": "true or false",
    "tuples?": "list",
    "sequences?": "list",
    "dict": "table",
    "dicts": "tables",
    "mapping": "table",
}
"""Python's types as a file has them."""


def in_words(kind: str) -> str:
    """A docstring's type in words of a file.

    Parameters
    ----------
    kind : str
    """
    for pattern, word in WORDS.items():
        kind = re.sub(rf"\b{pattern}\b", word, kind)
    return kind


def kind_of(annotation: Any) -> str:
    """A type in words: `float`, `one of "up", "down"`, `list of str`.

    Parameters
    ----------
    annotation : type
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is type(None):
        return ""
    if origin is typing.Annotated:
        return kind_of(arguments[0])
    if origin is typing.Literal:
        return "one of " + ", ".join(written(value) for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind for kind in map(kind_of, arguments) if kind)
    if origin in (tuple, list):
        inner = [kind_of(each) for each in arguments if each is not Ellipsis]
        return f"list of {inner[0]}" if Ellipsis in arguments or len(set(inner)) == 1 else f"[{', '.join(inner)}]"
    if origin is dict:
        return f"table of {kind_of(arguments[1])}"
    name = getattr(annotation, "__name__", str(annotation))
    return {"Any": "", "Path": "path"}.get(name, in_words(name))


def written(value: Any) -> str:
    """A value as a configuration has it.

    Parameters
    ----------
    value : object
        Of a field.
    """
    if value is PydanticUndefined or value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, BaseModel):
        if type(value).__name__ in PRIORS:
            return str(value)
        kind = getattr(value, "type", None)
        return f'{{type = "{kind}"}}' if kind else "its defaults"
    return f"{value:g}" if isinstance(value, float) else str(value)


def places() -> Iterator[Place]:
    """Sections of a configuration and their parts, in the order of the page."""
    from bayesmodels.models import MODELS, model_class
    from bayesmodels.models.outcome import Outcome
    from bayesmodels.models.published_means.outcome import MEANS_EFFECTS, MeansOutcome
    from bayesmodels.models.visits.event import Event
    from bayesmodels.parts.hazards import HAZARDS
    from bayesmodels.parts.priors import HalfNormal, LogNormal, Normal
    from bayesmodels.parts.trajectories import TRAJECTORIES
    from bayesmodels.run import config, sections
    from bayesmodels.trials.config import TrialsSections

    yield Place("Tables of persons", "[study]", sections.StudySection)
    yield Place("Published means", "[data]", sections.DataSection)
    yield Place("Tables of trials", "[data]", sections.TrialsSection)
    for name in MODELS:
        if name != "one_stage":  # of a table of clusters, which no configuration names
            yield Place(f"Model {name}", f'[model] type = "{name}"', model_class(name))
    yield Place("Outcome of persons", "[[model.outcomes]]", Outcome)
    yield Place("Outcome of published means", "[[model.outcomes]]", MeansOutcome)
    for name, part in TRAJECTORIES.items():
        yield Place(f"Trajectory {name}", f'trajectory = {{type = "{name}"}}', part)
    for name, part in MEANS_EFFECTS.items():
        yield Place(f"Drug effect {name}", f'effect = {{type = "{name}"}}', part)
    yield Place("Event", "[[model.events]]", Event)
    for name, part in HAZARDS.items():
        yield Place(f"Baseline hazard {name}", f'baseline = {{type = "{name}"}}', part)
    for prior in (Normal, HalfNormal, LogNormal):
        yield Place(f"Prior {prior.__name__}", "any prior", prior)
    for name, info in sections.Sections.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield Place(name.capitalize(), f"[{name}]", info.annotation)
    for name, section in config._ANALYSES.items():
        module, _, cls = section.path.partition(":")
        yield Place(cls, f"[{name}]", getattr(import_module(module), cls))
    for name, info in TrialsSections.model_fields.items():
        for model in nested(info.annotation):
            many = typing.get_origin(info.annotation) is tuple
            section = f"[[{name}]]" if many else f"[{name}]"
            yield Place(f"Many trials, {name}", f"`{section}` of a file of `bayesmodels trials`", model)


def nested(annotation: Any) -> list[type[BaseModel]]:
    """Pydantic models inside an annotation.

    Parameters
    ----------
    annotation : type
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in typing.get_args(annotation) for model in nested(each)]


def all_places() -> list[Place]:
    """`places`, and below each the models that its fields hold, once each."""
    roots = list(places())
    found, known = [], {place.model for place in roots}
    for root in roots:
        waiting = [root]
        while waiting:
            place = waiting.pop(0)
            found.append(place)
            for name, info in place.model.model_fields.items():
                for model in nested(info.annotation):
                    if model not in known:
                        known.add(model)
                        waiting.append(Place(f"{place.title}: {name}", f"`{name}` of {place.title.lower()}", model))
    once: dict[type[BaseModel], Place] = {}
    for place in found:
        once.setdefault(place.model, place)
    return list(once.values())


def configuration(_: str = "") -> str:
    """The page's tables, a heading for each section."""
    return "\n\n".join(
        f"## {place.title}\n\n{_where(place)}: {_first_line(place.model)}\n\n{_table(place.model)}"
        for place in all_places()
    )


def _where(place: Place) -> str:
    """Where it stands in a file, as the beginning of a sentence."""
    if "`" in place.written:
        return f"{place.written[0].upper()}{place.written[1:]}"
    return f"`{place.written}`" if "[" in place.written or "=" in place.written else place.written.capitalize()


def _first_line(model: type[BaseModel]) -> str:
    """What a class is, without the name of its section before it."""
    first = inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0]
    return _cell(re.sub(r"^`\[[^`]*`:? ?|: `\[\[[^`]*\]\]`(?=\.)", "", first))


def _table(model: type[BaseModel]) -> str:
    rows = fields_of(model)
    if not rows:
        return "No fields."
    return pipe_table(
        ["field", "type", "default", "meaning"],
        [[f"`{row.name}`", row.kind, f"`{row.default}`", row.meaning] for row in rows],
    )


def pipe_table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown.

    Parameters
    ----------
    header : list of str
    rows : list of list of str
        A list for each row, as long as the header.
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(str(cell)) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text on one line, whose bars, dollars and stars are only these."""
    flat = re.sub(r"\s+", " ", text.replace("``", "`")).strip()
    outside = re.split(r"(`[^`]*`)", flat)
    safe = [part if part.startswith("`") else re.sub(r"([*$<_])", r"\\\1", part) for part in outside]
    return "".join(safe).replace("|", "\\|")
