"""One family of exceptions: catch `BayesmodelsError` to catch them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from numbers import Integral, Real

SHOWN = 20
"""Lines of a list that are shown; the others are counted."""

LINE = 1000
"""Characters of a shown line."""


class BayesmodelsError(Exception):
    """Anything this package raises on purpose."""


class BadInput(BayesmodelsError):
    """Input that was refused: every problem found, one plain line each. As text, a long list is cut (`shown`).

    Parameters
    ----------
    problems : iterable of str
        Each says what was expected, what came, where (file, row, person, week) and what to do.
    """

    def __init__(self, problems: Iterable[str] | str):
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(shown(self.problems, "problem")))

    def __reduce__(self) -> tuple:
        """Travel between processes with every problem."""
        return type(self), (self.problems,)


class BadConfig(BadInput):
    """A configuration that names an unknown key, or gives a value that cannot be used."""


class MissingVariable(BayesmodelsError):
    """A posterior without the variable or group that a report needs."""


class DamagedFile(BadInput):
    """A file that is not what was written."""


class DiskFull(BayesmodelsError):
    """A file that could not be written for lack of room."""


class RunExists(BayesmodelsError):
    """A run folder that already holds a finished or an unfinished run."""


def expect(value: object, kinds: type | tuple[type, ...], name: str, remedy: str) -> None:
    """Refuse an argument of another kind than a function takes.

    Raises
    ------
    BadInput
        Says what was expected, what came, and what to do.
    """
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        raise BadInput(f"{name}: expected {wanted}, got {type(value).__name__}; {remedy}")


def expect_whole(value: object, name: str, least: int = 0) -> None:
    """Refuse what is no whole number of `least` or more, such as a seed or a number of draws.

    Raises
    ------
    BadInput
        Says what was expected and what came.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise BadInput(f"{name}: expected a whole number of {least} or more, got {_short(value)}")


def expect_numbers(value: object, name: str) -> tuple[float, ...]:
    """A list, tuple or array of one finite number or more, as floats.

    Raises
    ------
    BadInput
        Says what was expected and what came.
    """
    listed = [] if isinstance(value, str | Mapping) or not isinstance(value, Iterable) else list(value)
    if not listed or not all(isinstance(x, Real) and not isinstance(x, bool) and isfinite(x) for x in listed):
        raise BadInput(f"{name}: expected a list of numbers, such as [0, 28, 52], got {_short(value)}")
    return tuple(float(x) for x in listed)


def in_full(number: float) -> str:
    """A number as the shortest decimal that reads back the same (52, 52.285714285714285), for a remedy to copy."""
    rounded = f"{number:g}"
    return rounded if float(rounded) == number else repr(float(number))


def _short(value: object) -> str:
    """A value in a message: on one line, and not long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def shown(lines: Sequence[str], what: str) -> list[str]:
    """The first lines of a list, each of a readable length, and a count of the rest.

    Parameters
    ----------
    lines : sequence of str
    what : str
        What a line is, in the singular: "problem", "warning".

    Returns
    -------
    list of str
        At most `SHOWN` + 1 lines, each of at most `LINE` characters.
    """
    first = [str(line) if len(line) <= LINE else f"{line[: LINE - 3]}..." for line in lines[:SHOWN]]
    more = len(lines) - SHOWN
    return [*first, f"... and {more:,} more {what}{'s' * (more > 1)}"] if more > 0 else first
