"""Sections that a posterior brings with it (root attribute `extra_sections`)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from bayesmodels.reporting.chapter import Chapter, Reading
from bayesmodels.reporting.page import Picture, Section


class FromPosterior(Chapter):
    """What was archived with the posterior to be shown on its page."""

    name = "sections of the posterior"

    def section(self, reading: Reading) -> Iterator[Section]:
        """Each as it was given."""
        return map(_section, reading.context.extra_sections)


def _section(content: Mapping[str, Any]) -> Section:
    """Title, paragraphs, a table of records and a PNG in base64, all but the title optional."""
    title = str(content.get("title", "Further results"))
    image = content.get("figure_png_base64")
    return Section(
        title,
        [str(paragraph) for paragraph in content.get("paragraphs", ())],
        {title: pd.DataFrame(content["table"])} if content.get("table") else {},
        [Picture(base64.b64decode(image), f"Figure: {title}")] if image else (),
    )
