"""How a table of a report is read as analysis results: which columns tell rows apart, and which statistic each holds.

Most tables need no word of their own: labels are the columns that are dims of the vocabulary or hold text, and the
names of the others say which statistic of what they hold (`statistic_of`). What names do not say, a chapter declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from bayesmodels.vocabulary import DIMS

STATISTICS: dict[str, tuple[str, int | None]] = {
    "mean": ("Mean", None),
    "sd": ("Standard deviation", None),
    "median": ("Median", None),
    "lower": ("Lower limit of the interval", None),
    "upper": ("Upper limit of the interval", None),
    "estimate": ("Estimate", None),
    "se": ("Standard error", None),
    "value": ("Value", None),
    "mcse_median": ("Monte-Carlo standard error of the median", None),
    "n": ("Number", 0),
    "share": ("Share", 3),
    "prob": ("Probability", 3),
    "prob_favours": ("Probability that the side under direction is favoured", 3),
    "p_value": ("p, two-sided", 4),
    "width_ratio": ("Width of the posterior interval over the prior's", 2),
    "rhat": ("R-hat, rank-normalised", 3),
    "ess": ("Effective sample size", 0),
    "ess_bulk": ("Bulk effective sample size", 0),
    "ess_tail": ("Tail effective sample size", 0),
    "pareto_k": ("Pareto k", 2),
    "max_rhat": ("Largest R-hat", 3),
    "min_ess": ("Smallest effective sample size", 0),
    "min_ess_bulk": ("Smallest bulk effective sample size", 0),
    "min_ess_tail": ("Smallest tail effective sample size", 0),
    "min_ebfmi": ("Smallest E-BFMI", 3),
    "divergences": ("Divergent draws", 0),
    "verdict": ("Verdict", None),
}
"""Every name of a statistic, with its label and its decimals; None: as many as its size or its interval deserves."""

CONTEXTS = {
    "posterior": "draws of the posterior",
    "prior": "draws of the prior",
    "predictive": "data that the model draws",
    "imputed": "multiple imputation by the model, Rubin's rules",
    "simulated": "simulated trials of a stated model, no data",
    "data": "the data alone",
    "convergence": "diagnostics of the chains",
}
"""What a number is of."""

INTERVALS = {
    "eti": "equal-tailed, of a posterior or prior",
    "eti_predictive": "equal-tailed, of what the model predicts",
    "eti_simulated": "equal-tailed, over simulated trials",
    "ci": "confidence interval",
    "range": "smallest and largest value",
}
"""Kinds of interval."""

CONVERGENCE = frozenset(
    ("mcse_median", "rhat", "ess", "ess_bulk", "ess_tail", "pareto_k", "max_rhat", "min_ess", "min_ess_bulk",
     "min_ess_tail", "min_ebfmi", "divergences")
)  # fmt: skip
"""Statistics of chains and weights, whatever the table."""

DATA = frozenset(("n", "p_value"))
"""Statistics of the data, whatever the table."""

PERSONS = frozenset(("person", "example"))
"""A table with such a column is of single persons and is no part of analysis results."""

_SYNONYMS = {
    "monte_carlo_error": "mcse_median",
    "probability": "prob",
    "probability_favours": "prob_favours",
    "effective_draws": "ess",
    "status": "verdict",
}

_SOURCES = ("prior", "predictive")
"""First words of columns that say what their numbers are of."""

_ABOUT = {
    "unit": "unit",
    "direction": "direction",
    "favours": "direction",
    "estimand": "estimand",
    "comparison": "estimand",
    "withheld": "withheld",
    "note": "note",
    "reason": "note",
}
"""Columns of text that say something of a whole row."""


@dataclass(frozen=True)
class Statistic:
    """The statistic that a column of a table holds.

    Parameters
    ----------
    name : str
        Of `STATISTICS`.
    of : str
        Quantity it is a statistic of; blank: the row's own.
    event : str
        What a probability or share is of.
    context : str
        Of `CONTEXTS`; blank: the table's.
    unit : str, optional
        By default that of the row, for statistics on the quantity's scale; blank: none.
    interval : (str, float or None), optional
        Kind (`INTERVALS`) and level, of limits; by default the table's.
    withheld : str
        Column that says why there is no number.
    """

    name: str
    of: str = ""
    event: str = ""
    context: str = ""
    unit: str | None = None
    interval: tuple[str, float | None] | None = None
    withheld: str = ""

    def __post_init__(self) -> None:
        """Refuse names that are not in the fixed lists."""
        if self.name not in STATISTICS:
            raise ValueError(f"expected a statistic of {', '.join(STATISTICS)}, got {self.name!r}")
        if self.context and self.context not in CONTEXTS:
            raise ValueError(f"expected a context of {', '.join(CONTEXTS)}, got {self.context!r}")
        if self.interval and self.interval[0] not in INTERVALS:
            raise ValueError(f"expected a kind of interval of {', '.join(INTERVALS)}, got {self.interval[0]!r}")


@dataclass(frozen=True)
class Layout:
    """What a table's columns are, where their names do not say it.

    Parameters
    ----------
    variable : str
        Quantity of the rows; blank: the cell of `named_by`, else the table's name.
    named_by : str
        Column whose cells name the quantity.
    keys : tuple of str
        Columns of numbers or of yes and no that tell rows apart, beside dims of the vocabulary and text.
    columns : mapping of str to Statistic
        What a column holds where `statistic_of` does not tell.
    left_out : tuple of str
        Columns that are no results: explanations.
    context : str
        Of `CONTEXTS`.
    interval : (str, float or None), optional
        Kind and level of the limits; by default the report's equal-tailed interval.
    contexts, interval_kinds : str
        Columns whose cells say the context of a row, and the kind of its limits, in place of the table's; of columns
        that say their own they do not.
    statistic : str
        Column whose cells name the statistic of `value`; blank: columns do.
    """

    variable: str = ""
    named_by: str = "name"
    keys: tuple[str, ...] = ()
    columns: Mapping[str, Statistic] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    context: str = "posterior"
    interval: tuple[str, float | None] | None = None
    contexts: str = ""
    interval_kinds: str = ""
    statistic: str = ""

    def labels(self, table: pd.DataFrame) -> list[str]:
        """Columns that tell rows apart: dims in the vocabulary's order, then others in the table's.

        Parameters
        ----------
        table : DataFrame
        """
        taken = {self.named_by, *self.left_out, *self.columns, *self._told}
        taken |= {self.statistic, "value"} if self.statistic else set()
        found = [
            str(name)
            for name in table.columns
            if name not in taken and (name in DIMS or name in self.keys or _is_label(table, str(name)))
        ]
        place = {dim: j for j, dim in enumerate(DIMS)}
        return sorted(found, key=lambda name: place.get(name, len(place)))

    def about(self, table: pd.DataFrame) -> dict[str, str]:
        """What is said of whole rows: `unit`, `direction`, `estimand`, `withheld`, `note`, with the column of each.

        Parameters
        ----------
        table : DataFrame
        """
        taken = {self.named_by, self.statistic, *self.left_out, *self.keys, *self.columns}
        return {
            kind: name for name, kind in _ABOUT.items() if name in table and name not in taken and _text(table, name)
        }

    def statistics(self, table: pd.DataFrame) -> dict[str, Statistic]:
        """The statistic of every column that holds one.

        A column whose name says the same as an earlier one's is a value under its own name.

        Parameters
        ----------
        table : DataFrame
        """
        others = {self.named_by, self.statistic, *self.left_out, *self.labels(table), *self.about(table).values()}
        others |= self._told
        found: dict[str, Statistic] = {}
        for name in map(str, table.columns):
            if name in others and name not in self.columns:
                continue
            one = self.columns.get(name) or statistic_of(name)
            taken = {(kept.name, kept.of, kept.event, kept.context) for kept in found.values()}
            found[name] = (
                one if (one.name, one.of, one.event, one.context) not in taken else Statistic("value", of=name)
            )
        return found

    @property
    def _told(self) -> set[str]:
        """Columns that say something of other columns."""
        reasons = {one.withheld for one in self.columns.values() if one.withheld}
        return reasons | ({self.contexts, self.interval_kinds} - {""})


def statistic_of(column: str) -> Statistic:
    """What the name of a column says that it holds.

    `median` is a statistic of the row's quantity, `rate_median` of the rate, `prior_median` of the prior,
    `probability_parallel` the probability of what follows; any other name is a value of that name.

    Parameters
    ----------
    column : str

    Returns
    -------
    Statistic

    Examples
    --------
    >>> statistic_of("prior_rate_upper")
    Statistic(name='upper', of='rate', event='', context='prior', unit=None, interval=None, withheld='')
    """
    source, _, rest = column.partition("_")
    context, name = (source, rest) if source in _SOURCES and rest else ("", column)
    own = _SYNONYMS.get(name, name)
    if own in STATISTICS:
        return Statistic(own, context=context)
    if name.startswith("probability_"):
        return Statistic("prob", event=name.removeprefix("probability_").replace("_", " "), context=context)
    if name.endswith("_favours"):
        return Statistic("prob", of=name.removesuffix("_favours"), event="favours", context=context)
    for last in sorted((*_SYNONYMS, *STATISTICS), key=len, reverse=True):
        if name.endswith(f"_{last}"):
            return Statistic(_SYNONYMS.get(last, last), of=name.removesuffix(f"_{last}"), context=context)
    return Statistic("value", of=name, context=context)


def _text(table: pd.DataFrame, name: str) -> bool:
    return not (pd.api.types.is_numeric_dtype(table[name]) or pd.api.types.is_bool_dtype(table[name]))


def _is_label(table: pd.DataFrame, name: str) -> bool:
    """Text that names something; words about a row and verdicts are none."""
    return _text(table, name) and name not in _ABOUT and _SYNONYMS.get(name, name) not in STATISTICS
