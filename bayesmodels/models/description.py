"""What a model is, in a few lines of text, and in HTML with its formulas and the priors that need no data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pydantic import BaseModel

from bayesmodels.errors import BayesmodelsError
from bayesmodels.html_tables import html_table
from bayesmodels.models.prior_table import prior_frame, shown_columns
from bayesmodels.parts.formulas import as_html, meanings, prose_html
from bayesmodels.parts.priors import PriorRow
from bayesmodels.posterior.wording import places

SUBSCRIPTS = {
    r"_\{iv?\}": "i: person",
    r"_\{gv?\}": "g: start group",
    r"_\{[ig]?v[ }]": "v: visit",
    r"_\{s\}": "s: stratum",
}
"""Subscripts that models share: a pattern that says whether one is there, and its meaning."""


@dataclass(frozen=True)
class Description:
    """A model for people.

    Parameters
    ----------
    title : str
        The model in a line.
    lines : sequence of str
        For text: an outcome or event each, without formulas.
    formulas : sequence of (str, str)
        For HTML: what it is of, and the formula (markup of `parts.formulas`).
    notes : sequence of str
        For HTML: what else there is to know, in the same markup.
    priors : callable
        To the priors that need no data.
    further : str
        What the data add to them, and where their sources are.
    """

    title: str
    lines: Sequence[str]
    formulas: Sequence[tuple[str, str]]
    notes: Sequence[str]
    priors: Callable[[], Sequence[PriorRow]]
    further: str

    def text(self) -> str:
        """Title and lines."""
        return "\n".join([self.title, *(f"  {line}" for line in self.lines)])

    def html(self) -> str:
        """Title, formulas with their letters, notes, priors."""
        cell = "text-align: left; border: 0; background: none; color: inherit; vertical-align: top;"
        rows = "".join(
            f"<tr style='background: none;'><td style='{cell} padding: 0.2em 1em 0.2em 0;'><b>{escape(of)}</b></td>"
            f"<td style='{cell} padding: 0.2em 0; line-height: 1.6;'>{as_html(formula)}</td></tr>"
            for of, formula in self.formulas
        )
        formulas = [formula for _, formula in self.formulas]
        letters = [words for mark, words in SUBSCRIPTS.items() if any(re.search(mark, formula) for formula in formulas)]
        about = "; ".join([*meanings(*formulas), *letters])
        notes = "".join(f"<li>{prose_html(note)}</li>" for note in self.notes)
        return (
            f"<div><p><b>{escape(self.title)}</b></p>"
            f"<div style='overflow-x: auto;'><table style='border-collapse: collapse; margin: 0;'>{rows}</table></div>"
            + (f"<p><small>{prose_html(about)}</small></p>" if about else "")
            + (f"<ul>{notes}</ul>" if notes else "")
            + f"{self._priors()}</div>"
        )

    def _priors(self) -> str:
        try:
            rows = self.priors()
        except BayesmodelsError as error:  # parts that do not go together: a model is shown whatever it is
            return f"<p>Its priors cannot be listed: {escape(str(error))}</p>"
        except Exception as error:  # a user's own part
            return f"<p>Its priors cannot be listed: {escape(f'{type(error).__name__}: {error}')}</p>"
        table = shown_columns(prior_frame(rows)).drop(columns="source")
        if "outcome" in table:
            table = table.sort_values("outcome", key=places, kind="stable")
        return f"<p><b>Priors</b></p>{html_table(table)}<p><small>{escape(self.further)}</small></p>"


class Described:
    """Shown as its description: what a model inherits to be shown by formulas and priors, not by its fields."""

    def _description(self) -> Description:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self._description().text()

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str:
        return self._description().html()


def options_of(model: BaseModel, names: Iterable[str]) -> list[str]:
    """Options of a model that are not at their default, as `name = value`.

    Parameters
    ----------
    model : model
    names : iterable of str
        Fields to look at; those that the model has not are passed over.
    """
    fields = type(model).model_fields
    return [
        f"{name} = {_value(getattr(model, name))}"
        for name in names
        if name in fields and getattr(model, name) != fields[name].get_default(call_default_factory=True)
    ]


def _value(value: Any) -> str:
    if isinstance(value, BaseModel):
        return type(value).__name__
    if isinstance(value, tuple):
        return f"({', '.join(_value(one) for one in value)})"
    return f"{value:g}" if isinstance(value, float) else str(value)
