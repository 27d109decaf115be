"""Sections of a configuration that ask for more than the fit: dropout sensitivity, and rank analyses of the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MODEL_TYPES = ("longitudinal", "joint_event")
"""Models of persons' visits: those that these analyses are made of."""


class DropoutSection(BaseModel):
    """`[dropout]`: the comparison at a week under other suppositions about those who left before it.

    Parameters
    ----------
    outcome : str
        One of the model's.
    week : float
        Weeks since randomisation.
    delta_unit : {"per_month", "once"}
        Whether delta adds up from the last visit on, or is one shift.
    deltas : tuple of float, optional
        Rising from 0, modelling scale; default from the outcome's prior.
    reference : str, optional
        A start group, by default the study's reference group, or "never_treated".
    deaths : {"as_followed", "as_missing", "left_out"}
    terminal : tuple of str, optional
        Events after which a person counts as dead; default those of the model's terminal events, "death" in a model
        without events.
    administrative : tuple of str
        Exits that are the trial's own end, not a person's leaving: missing at random whatever is supposed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: str
    week: float = Field(gt=0, allow_inf_nan=False)
    delta_unit: Literal["per_month", "once"] = "per_month"
    deltas: tuple[float, ...] | None = None
    reference: str | None = None
    deaths: Literal["as_followed", "as_missing", "left_out"] = "as_followed"
    terminal: tuple[str, ...] | None = None
    administrative: tuple[str, ...] = ("none",)


class RankSection(BaseModel):
    """`[rank]`: joint rank, CAFS, win ratio and ANCOVA of the study's own data.

    Parameters
    ----------
    outcome : str
        One of the model's.
    week : float
        One of the nominal weeks of the visits.
    terminal : tuple of str, optional
        Events that count as death; empty: none. Default those of the model's terminal events that somebody had; a model
        without events has no default.
    group : str, optional
        Start group compared with the reference group; needed with three start groups or more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: str
    week: float = Field(gt=0, allow_inf_nan=False)
    terminal: tuple[str, ...] | None = None
    group: str | None = None


def section_problems(
    dropout: DropoutSection | None, rank: RankSection | None, persons: bool, model: Any, file: str
) -> Iterator[str]:
    """What does not fit between these sections, the data and the model, a line each.

    Parameters
    ----------
    dropout, rank : sections, or None
    persons : bool
        Whether there is a `[study]`.
    model : BaseModel or None
        None where the model itself has problems: nothing is said then.
    file : str
        Name of the TOML file.
    """
    for name, section in (("dropout", dropout), ("rank", rank)):
        if section is None or model is None:
            continue
        if not persons or getattr(model, "type", None) not in MODEL_TYPES:
            kinds = " or ".join(f'"{kind}"' for kind in MODEL_TYPES)
            yield f"{file}: [{name}]: expected [study] and a model of type {kinds} with it; else delete the section"
            continue
        known = [outcome.name for outcome in model.outcomes]
        if section.outcome not in known:
            yield (
                f"{file}: [{name}] outcome: expected one of the model's ({', '.join(known)}), got {section.outcome!r}"
            )
        if isinstance(section, RankSection) and section.terminal is None and model.type != "joint_event":
            yield (
                f"{file}: [{name}] terminal: expected the events that count as death, found none named; the model has "
                "no events to take them from; write [] if none counts"
            )
