"""What a reduction of NfL implies by VALOR's published means: one trial's ratio, and the link that a model assumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from bayesmodels.demo.valor import MAIN, ValorResults
from bayesmodels.reporting import ReportSettings, Section
from bayesmodels.reporting.chapter import Reading, fill, read
from bayesmodels.reporting.chapters.magnitude.chapter import Magnitudes

SETTINGS = ReportSettings(surrogate="nfl_plasma", outcome="alsfrs_r")


def magnitude_sections(results: ValorResults) -> Iterator[Section]:
    """One trial's own ratio with the responder trap, then the link.

    Parameters
    ----------
    results : ValorResults
    """
    chapter, readings = Magnitudes(), _readings(results)
    implied, *others = chapter.section(readings["slowing"])
    linked, *_ = chapter.section(readings["link"])
    yield implied
    yield replace(linked, title=f"{linked.title}, if all of the effect goes through NfL")
    yield from others


def magnitude_tables(results: ValorResults) -> dict[str, pd.DataFrame]:
    """`magnitude` and `magnitude_sufficient`, with the model that each row is of; `responder_trap`.

    Parameters
    ----------
    results : ValorResults
    """
    readings = _readings(results)
    both = {
        name: pd.concat([reading.tables[name].assign(model=label) for label, reading in readings.items()])
        for name in ("magnitude", "magnitude_sufficient")
    }
    return both | {"responder_trap": readings["slowing"].tables["responder_trap"]}


def _readings(results: ValorResults) -> dict[str, Reading]:
    readings = {
        label: read(fitted.posterior, SETTINGS)
        for label, fitted in (("slowing", results.fits[MAIN]), ("link", results.link))
    }
    for reading in readings.values():
        fill(reading, (Magnitudes(),))
    return readings
