"""Follow-up of persons as checked arrays, and the numbers at risk."""

from __future__ import annotations

from collections.abc import Iterable
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
        """Number of persons at risk at each time.

        Parameters
        ----------
        times : array (time,)
            Unit of the follow-up.
        """
        t = np.asarray(times, float)
        exits, entries = np.sort(self.time), np.sort(self.entry)
        left = np.searchsorted(exits, t, side="left")
        not_yet = len(entries) - np.searchsorted(entries, t, side="left")
        return (len(exits) - left - not_yet).astype(float)

    def span(self, happened: Mask) -> Span:
        """First and last time at which a curve can be estimated.

        Parameters
        ----------
        happened : array (person,) of bool
            Whether an event happened at the exit.
        """
        watched = (self.time > np.maximum(self.entry, 0.0)) | happened
        start = float(max(self.entry[watched].min(), 0.0)) if watched.any() else 0.0
        exits = np.unique(self.time)
        exits = exits[(exits >= start) & (exits < exits[-1])]
        events = np.bincount(np.searchsorted(exits, self.time[happened]), minlength=len(exits) + 1)[: len(exits)]
        entered, left = (np.searchsorted(np.sort(v), exits, side="right") for v in (self.entry, self.time))
        used_up = (events > 0) & (events == self.at_risk(exits))
        if not (used_up | (entered == left)).any():
            return Span(start, float(self.time.max()))
        first = int((used_up | (entered == left)).argmax())
        end = float(exits[first])
        resumes = float(self.entry[self.time > end].min())
        note = f"Unknown after {end:g}: nobody is at risk until the next entry, at {resumes:g}."
        if used_up[first]:
            note = f"Unknown from {end:g} on: everyone at risk had an event then, and others enter at {resumes:g}."
        return Span(start, end, bool(used_up[first]), note)


@dataclass(frozen=True)
class Span:
    """Span of time over which a curve can be estimated.

    Parameters
    ----------
    start : float
        0, or the first entry where everybody entered later: the curve is then of those without an event until there.
    end : float
        The last exit; or, if earlier, the exit that leaves nobody at risk while others enter later.
    used_up : bool
        Whether it left nobody because everyone at risk had an event: the curve is then unknown at `end` too.
    note : str
        Why it ends before the last exit; blank where it does not.
    """

    start: float
    end: float
    used_up: bool = False
    note: str = ""


def follow_up(time: npt.ArrayLike, entry: npt.ArrayLike | None, observed: Mask) -> FollowUp:
    """Check times; `entry` None, 0 or below counts as followed from the origin.

    Parameters
    ----------
    time : array (person,)
        Exit, any unit.
    entry : array (person,) or None
        Delayed entry, the same unit.
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
        raise BadInput(f"time: expected one value per person, got an array of shape {t.shape}")
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


def check_level(level: float) -> None:
    """Refuse a level of an interval that is no probability.

    Parameters
    ----------
    level : float
        Such as 0.95.

    Raises
    ------
    BadInput
        A level outside 0 to 1, such as 95.
    """
    if not 0 < level < 1:
        raise BadInput(f"level: expected a probability between 0 and 1, got {level:g}; write 0.95 for 95 %")


def event_mask(event: npt.ArrayLike, name: str = "event") -> Mask:
    """Whether an event was observed, or a person is in a group, from booleans or from 0 and 1.

    Parameters
    ----------
    event : array (person,)
        Booleans, or 0 and 1.
    name : str
        Of the argument, for the message.

    Raises
    ------
    BadInput
        Other values; labels belong to the functions for competing events.
    """
    values = np.asarray(event)
    wrong = [] if values.dtype == bool else [v for v in values.ravel().tolist() if v not in (0, 1)]
    if wrong:
        remedy = f"; of labels make booleans, as in labels == {wrong[0]!r}" if isinstance(wrong[0], str) else ""
        raise BadInput(f"{name}: expected booleans, or 0 and 1, got {wrong[0]!r}{remedy}")
    return values.astype(bool)


def text_labels(event: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """What happened at each exit, as text.

    Parameters
    ----------
    event : array (person,)
        A label for everyone.

    Raises
    ------
    BadInput
        Labels that are missing, blank or not text: they would pass for an event that competes.
    """
    values = np.asarray(event, dtype=object)
    wrong = [value for value in values.ravel() if not isinstance(value, str) or not value.strip()]
    if wrong:
        raise BadInput(
            f"event: expected a label for everyone, as text, got {wrong[0]!r} ({len(wrong)} of {values.size} are no "
            'such label); write "none" where nothing happened and the event\'s name, such as "death", where it did'
        )
    return values.astype(str)


def labels_of(event: npt.ArrayLike, of: str | Iterable[str], censored: tuple[str, ...]) -> tuple[Mask, Mask]:
    """Whether any event, and whether one of `of`, happened at a person's exit.

    An event of interest that nobody had is allowed: a stratum, a risk group or a replicated trial may well have none.

    Parameters
    ----------
    event : array (person,) of str
        What happened at the exit.
    of : str or iterable of str
        Event of interest; several are a composite.
    censored : tuple of str
        Labels of exits without an event.

    Returns
    -------
    two arrays (person,) of bool
        Any event; one of `of`.

    Raises
    ------
    BadInput
        No event of interest, one that is no text or that also counts as censoring; labels that `text_labels` refuses; a
        label that differs from one in `of` or `censored` only by case or blanks, and would pass for an event that
        competes.
    """
    wanted = (of,) if isinstance(of, str) or not isinstance(of, Iterable) else tuple(of)
    if not all(isinstance(name, str) for name in wanted):
        raise BadInput(
            f'of: expected an event as text, such as "death", got {of!r}; write labels for codes, "none" where nothing '
            "happened"
        )
    if not wanted:
        raise BadInput("of: expected an event or several, got none; name what the incidence is of")
    if set(wanted) & set(censored):
        raise BadInput(f"of: expected events, got {', '.join(wanted)}, of which some count as censoring")
    labels = text_labels(event)
    named = {name.strip().casefold(): name for name in (*censored, *wanted)}
    for label in sorted({*labels.tolist()} - {*censored, *wanted}):
        meant = named.get(label.strip().casefold())
        if meant is not None:
            raise BadInput(
                f"event: expected {meant!r}, got {label!r}, the same but for case or blanks; "
                "write one of them throughout, or name both"
            )
    return ~np.isin(labels, list(censored)), np.isin(labels, list(wanted))
