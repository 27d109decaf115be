"""What is kept of every fit: published variables at chosen labels, and decision rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bayesmodels.errors import BadInput
from bayesmodels.parts.lookup import unknown
from bayesmodels.vocabulary import VARIABLES

Label = str | float
Labels = Label | tuple[Label, ...]

_STRICT = ConfigDict(frozen=True, extra="forbid")


class Kept(BaseModel):
    """A published variable of which every fit's posterior is summarised: `[[keep]]`.

    Parameters
    ----------
    variable : str
        Of the vocabulary (`bayesmodels.vocabulary`).
    at : mapping of str to label or labels
        By dim, such as ``{"outcome": "alsfrs_r", "week": [28, 52]}``; of dims left out every label is kept.
    """

    model_config = _STRICT

    variable: str
    at: dict[str, Labels] = {}

    @model_validator(mode="after")
    def _known(self) -> Kept:
        _check_variable(self.variable, self.at)
        return self


class Rule(BaseModel):
    """A decision at the end of every fit: `[[decide]]`. Success where P(the quantity favours) > `probability`.

    Parameters
    ----------
    name : str
        Of the rule, on the page and in the rows.
    variable : str
        Of the vocabulary.
    at : mapping of str to label
        One label of every dim that has several.
    favours : {"up", "down"}, optional
        Which sign of the quantity helps the decision. Default for differences and drug effects: the good direction of
        the outcome, of a difference that of the contrast's first group; of a share of the decline that the drug
        removes, up. Of other quantities there is no default.
    beyond : float
        A quantity counts as favourable beyond this value, in its unit: 0 for differences, 1 for ratios.
    probability : float
        Success takes a posterior probability above it; .975 is an equal-tailed 95 % interval that excludes `beyond`.
    """

    model_config = _STRICT

    name: Annotated[str, Field(min_length=1)]
    variable: str
    at: dict[str, Label] = {}
    favours: Literal["up", "down"] | None = None
    beyond: float = 0.0
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.975

    @model_validator(mode="after")
    def _known(self) -> Rule:
        _check_variable(self.variable, self.at)
        return self

    def favourable(self, values: Any, sign: int) -> Any:
        """Whether values are beyond `beyond` on the favourable side; undefined ones are not.

        Parameters
        ----------
        values : float or array
        sign : {1, -1}
            1 where up helps.
        """
        return sign * (np.asarray(values) - self.beyond) > 0

    def sign(self, cell: Mapping[str, Any]) -> int:
        """1 where up helps the decision, -1 where down does.

        Parameters
        ----------
        cell : mapping
            Of one quantity, from `cells`.

        Raises
        ------
        BadInput
            The rule leaves it open and the quantity has no good sign as a matter of course.
        """
        towards = self.favours or cell["good"]
        if towards not in ("up", "down"):
            raise BadInput(
                f'{self.name!r}: favours: expected "up" or "down" for {cell["quantity"]}, found none; add it'
            )
        return 1 if towards == "up" else -1


def _check_variable(name: str, at: Mapping[str, Any]) -> None:
    if name not in VARIABLES:
        raise ValueError(f"variable: {unknown('published variable', name, VARIABLES)}")
    for dim in at:
        if dim not in VARIABLES[name].dims:
            raise ValueError(f"at: {unknown(f'dim of {name}', dim, VARIABLES[name].dims)}")


def every(keep: Sequence[Kept], rules: Sequence[Rule]) -> tuple[Kept | Rule, ...]:
    """All that is kept of a fit, rules last."""
    return (*keep, *rules)


def variables_of(keep: Sequence[Kept], rules: Sequence[Rule]) -> tuple[str, ...]:
    """Variables that a study needs of every fit, once each.

    Parameters
    ----------
    keep : sequence of Kept
    rules : sequence of Rule
    """
    return tuple(dict.fromkeys(item.variable for item in every(keep, rules)))


def dims_of(keep: Sequence[Kept], rules: Sequence[Rule]) -> tuple[str, ...]:
    """Dims of those variables, once each: columns of the table of rows."""
    return tuple(dict.fromkeys(dim for name in variables_of(keep, rules) for dim in VARIABLES[name].dims))


def weeks_of(keep: Sequence[Kept], rules: Sequence[Rule]) -> tuple[float, ...]:
    """Weeks that are asked for anywhere, in order."""
    found: set[float] = set()
    for item in every(keep, rules):
        found |= {float(week) for week in _listed(item.at.get("week", ())) if not isinstance(week, str)}
    return tuple(sorted(found))


def cells(item: Kept | Rule, values: xr.DataArray) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """The quantities of a variable that are kept: what each is, and its draws.

    Parameters
    ----------
    item : Kept or Rule
    values : DataArray
        Dims (draw, ...), the variable's own with labels.

    Yields
    ------
    tuple of dict and array (draw,)
        `quantity`, its name with labels; `labels` by dim; `good`, its good sign or None. Quantities without
        a defined draw are left out.

    Raises
    ------
    BadInput
        A label that the variable does not have, or a rule that means several quantities.
    """
    dims = VARIABLES[item.variable].dims
    chosen = {dim: _places(item, dim, values[dim].to_numpy()) for dim in dims}
    if isinstance(item, Rule):
        several = [dim for dim, places in chosen.items() if len(places) > 1]
        if several:
            first = several[0]
            known = ", ".join(map(said, values[first].to_numpy()[:12]))
            raise BadInput(f"{item.name!r}: at: expected one {first}, found none; add it (known: {known})")
    for place in product(*chosen.values()):
        labels = {dim: values[dim].to_numpy()[j] for dim, j in zip(dims, place, strict=True)}
        draws = values.to_numpy()[(slice(None), *place)]
        if np.isnan(draws).all():
            continue
        named = ", ".join(f"week {said(label)}" if dim == "week" else said(label) for dim, label in labels.items())
        yield (
            {
                "quantity": f"{item.variable}[{named}]" if named else item.variable,
                "labels": {dim: _plain(label) for dim, label in labels.items()},
                "good": _good(item.variable, values, place),
            },
            draws,
        )


COMPARISONS = ("difference", "latent_difference", "standardised_difference")
"""Variables whose good sign is the outcome's: the contrast's first group does better."""


def _good(name: str, values: xr.DataArray, place: Sequence[int]) -> str | None:
    """The good sign of a quantity, where it is a matter of course (as `posterior.context.Outcome.effect_sign`)."""
    variable = VARIABLES[name]
    if variable.favours == "positive":
        return "up"
    if "outcome" not in variable.dims or (variable.favours != "outcome" and name not in COMPARISONS):
        return None
    told = {}
    for key in ("good_direction", "effect_type"):
        if key in values.coords:
            told[key] = str(np.atleast_1d(values[key].to_numpy())[place[variable.dims.index("outcome")]])
    if variable.favours == "outcome" and "proportional" in told.get("effect_type", ""):
        return "up"
    return told.get("good_direction")


def _places(item: Kept | Rule, dim: str, labels: np.ndarray) -> list[int]:
    if dim not in item.at:
        return list(range(len(labels)))
    found = []
    for wanted in _listed(item.at[dim]):
        same = [j for j, label in enumerate(labels) if _plain(label) == wanted or said(label) == said(wanted)]
        if not same:
            who = f"{item.name!r}" if isinstance(item, Rule) else item.variable
            raise BadInput(f"{who}: at: {unknown(dim, said(wanted), [said(label) for label in labels])}")
        found += same
    return found


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _plain(label: Any) -> Label:
    return float(label) if isinstance(label, int | float | np.number) else str(label)


def said(label: Any) -> str:
    """A label in words: numbers without a needless point."""
    plain = _plain(label)
    return f"{plain:.10g}" if isinstance(plain, float) else plain


def fit_rows(
    draws: xr.Dataset,
    keep: Sequence[Kept],
    rules: Sequence[Rule],
    truth: Mapping[str, float],
    interval: float,
) -> list[dict[str, Any]]:
    """The rows of one fit: a row for each quantity kept and each rule.

    Parameters
    ----------
    draws : Dataset
        Variables over (draw, ...) with labels.
    keep : sequence of Kept
    rules : sequence of Rule
    truth : mapping of str to float
        True values by name of the quantity, where they are known.
    interval : float
        Level of the equal-tailed interval.

    Returns
    -------
    list of dict
        JSON-able.
    """
    tail = (1 - interval) / 2
    levels = (tail, 0.25, 0.5, 0.75, 1 - tail)
    rows: list[dict[str, Any]] = []
    for item in every(keep, rules):
        found = list(cells(item, draws[item.variable]))
        if isinstance(item, Rule) and not found:
            raise BadInput(f"{item.name!r}: {item.variable} is undefined in this fit, so nothing can be decided by it")
        for cell, values in found:
            lower, lower_50, median, upper_50, upper = np.quantile(values, levels)
            row = {
                "kind": "rule" if isinstance(item, Rule) else "quantity", "rule": None, "quantity": cell["quantity"],
                "variable": item.variable, **cell["labels"], "truth": truth.get(cell["quantity"]),
                "mean": values.mean(), "sd": values.std(ddof=1), "median": median, "lower": lower, "upper": upper,
                "lower_50": lower_50, "upper_50": upper_50,
            }  # fmt: skip
            if isinstance(item, Rule):
                sign = item.sign(cell)
                probability = float(item.favourable(values, sign).mean())
                known = truth.get(cell["quantity"])
                row |= {
                    "rule": item.name,
                    "probability": probability,
                    "success": probability > item.probability,
                    "favourable": None if known is None else bool(item.favourable(known, sign)),
                }
            rows.append({name: _json(value) for name, value in row.items()})
    return rows


def _json(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def described(items: Sequence[BaseModel]) -> list[dict[str, Any]]:
    """Items as JSON."""
    return [json.loads(item.model_dump_json()) for item in items]
