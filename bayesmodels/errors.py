"""One family of exceptions: catch `BayesmodelsError` to catch them all."""

from __future__ import annotations

from collections.abc import Iterable


class BayesmodelsError(Exception):
    """Anything this package raises on purpose."""


class BadInput(BayesmodelsError):
    """Input that was refused: every problem found, one plain line each.

    Parameters
    ----------
    problems : iterable of str
        Each says what was expected, what came, where (file, row, person, week) and what to do.
    """

    def __init__(self, problems: Iterable[str] | str):
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


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
