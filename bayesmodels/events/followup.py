"""Follow-up of persons as arrays: checked once, and who is at risk when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bayesmodels.errors import BadInput

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CENSORED = ("none",)
"""Labels of an exit at which nothing happened, as in the `events` table."""


@dataclass(frozen=True)
class FollowUp:
    """Entry and exit of every person.

    Parameters
    ----------
    time : array (person,)
        Exit, in any unit, 0 or later.
    entry : array (person,)
        From when a person is observed; `-inf` where from the origin. At risk at t: entry < t <= time.
    """

    time: Array
    entry: Array

    def at_risk(self, times: npt.ArrayLike) -> Array:
        """Number of persons at risk at each time."""
        t = np.asarray(times, float)
        exits, entries = np.sort(self.time), np.sort(self.entry)
        left = np.searchsorted(exits, t, side="left")
        not_yet = len(entries) - np.searchsorted(entries, t, side="left")
        return (len(exits) - left - not_yet).astype(float)


def follow_up(time: npt.ArrayLike, entry: npt.ArrayLike | None, observed: Mask) -> FollowUp:
    """Check times; `entry` None, 0 or below counts as followed from the origin.

    Parameters
    ----------
    observed : array (person,) of bool
        Whether any event happened at `time`.

    Raises
    ------
    BadInput
        Times that are negative, not finite or before entry, an event at the very moment of a delayed entry, arrays of
        several lengths, or nobody.
    """
    t = np.asarray(time, float)
    e = np.zeros_like(t) if entry is None else np.asarray(entry, float)
    problems = []
    if t.ndim != 1 or not len(t):
        raise BadInput(f"time: expected one value a person, got an array of shape {t.shape}")
    for name, values in (("entry", e), ("event", observed)):
        if values.shape != t.shape:
            raise BadInput(f"{name}: expected one value for each of {len(t)} persons, got shape {values.shape}")
    if not np.isfinite(t).all() or (t < 0).any():
        problems.append(f"time: expected finite times of 0 or later, got {t[~(np.isfinite(t) & (t >= 0))][:3]}")
    if np.isnan(e).any() or (e > t).any():
        problems.append(f"entry: expected entries not after the exit, got {int((~(e <= t)).sum())} others")
    if ((e == t) & (e > 0) & observed).any():
        problems.append("entry: expected events after a delayed entry, got one at the moment of entry; correct it")
    if problems:
        raise BadInput(problems)
    return FollowUp(t, np.where(e > 0, e, -np.inf))


def event_mask(event: npt.ArrayLike) -> Mask:
    """Whether an event was observed, from booleans or from 0 and 1.

    Raises
    ------
    BadInput
        Other values; labels belong to the functions for competing events.
    """
    values = np.asarray(event)
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise BadInput(f"event: expected booleans, or 0 and 1, got {values[~np.isin(values, (0, 1))][0]!r}")
    return values.astype(bool)


def labels_of(event: npt.ArrayLike, of: str | tuple[str, ...], censored: tuple[str, ...]) -> tuple[Mask, Mask]:
    """Whether any event, and whether one of `of`, happened at a person's exit.

    Raises
    ------
    BadInput
        An event of interest that also counts as censoring.
    """
    wanted = (of,) if isinstance(of, str) else tuple(of)
    if set(wanted) & set(censored):
        raise BadInput(f"of: expected events, got {', '.join(wanted)}, of which some count as censoring")
    labels = np.asarray(event).astype(str)
    return ~np.isin(labels, list(censored)), np.isin(labels, list(wanted))
