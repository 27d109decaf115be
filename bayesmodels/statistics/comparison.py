"""Result of a comparison of two groups: one frozen class for every method."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import pandas as pd

from bayesmodels.html_tables import html_table

NO_DIFFERENCE = {"win ratio": 1.0, "win odds": 1.0, "win probability": 0.5}
"""Values of a quantity at which the groups do not differ; 0 for every other."""


@dataclass(frozen=True)
class Comparison:
    """A group compared with a reference group.

    Parameters
    ----------
    method : str
        What was done, in words.
    group, reference : str
    table : DataFrame
        One row per quantity, the headline first: `quantity`, `estimate`, `se`, `lower`, `upper`, `p_value` (two-sided;
        NaN where the method gives none), `unit`, `favours` (which values favour which group). A win ratio may be
        infinite; SE, limits and p-value are NaN where nothing tells of them.
    level : float
        Of the confidence intervals.
    counts : dict of str to float
        Persons, wins, losses, ties and the like.
    notes : tuple of str
        What was assumed or left out.
    """

    method: str
    group: str
    reference: str
    table: pd.DataFrame
    level: float
    counts: dict[str, float]
    notes: tuple[str, ...] = ()

    def __getitem__(self, quantity: str) -> pd.Series:
        """The row of a quantity."""
        return self.table.set_index("quantity").loc[quantity]

    @property
    def estimate(self) -> float:
        """The headline's estimate."""
        return float(self.table.at[0, "estimate"])

    @property
    def p_value(self) -> float:
        """The headline's two-sided p-value."""
        return float(self.table.at[0, "p_value"])

    @property
    def favoured(self) -> str:
        """The group that the headline's estimate favours; blank where it lies at no difference."""
        row = self.table.iloc[0]
        null = NO_DIFFERENCE.get(str(row["quantity"]), 0.0)
        if row["estimate"] == null or pd.isna(row["estimate"]):
            return ""
        sign, _, named = str(row["favours"]).rpartition(" favours ")
        other = self.reference if named == self.group else self.group
        return named if (row["estimate"] > null) == (sign != "-") else other

    def sentence(self) -> str:
        """The headline in words: estimate, interval, p-value and direction."""
        row = self.table.iloc[0]
        unit = f" {row['unit']}" if row["unit"] else ""
        p = "not given" if pd.isna(row["p_value"]) else "< 0.001" if row["p_value"] < 0.001 else f"{row['p_value']:.3f}"
        side = f"the estimate favours {self.favoured}" if self.favoured else "the estimate favours neither"
        value = number_in_words(row["estimate"])
        return (
            f"{self.method}, {self.group} against {self.reference}: {row['quantity']} {value}{unit} "
            f"({limits_in_words(row['lower'], row['upper'], self.level)}), p {p}; "
            f"{row['favours']}; {side}."
        )

    def __repr__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<p>{escape(self.sentence())}</p>{as_html(self.table)}{notes}"


def number_in_words(value: float) -> str:
    """Three decimals, or that it is infinite or unknown.

    Parameters
    ----------
    value : float
    """
    return "unknown" if pd.isna(value) else f"{value:.3f}" if abs(value) < float("inf") else "infinite"


def limits_in_words(lower: float, upper: float, level: float) -> str:
    """A confidence interval, or that it is unknown.

    Parameters
    ----------
    lower, upper : float
    level : float
        Of the interval, such as 0.95.
    """
    interval = f"{100 * level:g} % confidence interval"
    return f"{interval} unknown" if pd.isna(lower) or pd.isna(upper) else f"{interval} {lower:.3f} to {upper:.3f}"


def as_html(table: pd.DataFrame) -> str:
    """A table of results: four decimals, a dash where a number is unknown.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    str
        Markup.
    """
    return html_table(table, "{:.4f}", nothing="–")


def row(
    quantity: str, estimate: float, se: float, limits: tuple[float, float], p_value: float, favours: str, unit: str = ""
) -> dict[str, object]:
    """A row of `Comparison.table`.

    Parameters
    ----------
    quantity : str
    estimate, se : float
    limits : (float, float)
    p_value : float
        Two-sided.
    favours : str
        Such as "+ favours early".
    unit : str
    """
    lower, upper = limits
    return {
        "quantity": quantity, "estimate": estimate, "se": se, "lower": lower, "upper": upper, "p_value": p_value,
        "unit": unit, "favours": favours,
    }  # fmt: skip
