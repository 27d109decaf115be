"""The site's menu: pages by section. A page of `docs` that no section names stands in `Guides`, at the end.

Pages hold no `toctree` of their own, so that they read well on a code host.
"""

from typing import Any

from sphinx.util.matching import patfilter

SECTIONS = {
    "README": (
        "docs/start/README",
        "docs/models",
        "docs/README",
        "docs/gallery",
        "docs/validation",
        "docs/reference/README",
    ),
    "docs/start/README": (
        "docs/start/quick_start",
        "docs/start/published_means",
        "docs/start/patient_tables",
        "docs/start/events",
        "docs/start/trial_tables",
    ),
    "docs/models": (
        "docs/models/longitudinal",
        "docs/models/joint_event",
        "docs/means_by_visit",
        "docs/models/*",
    ),
    "docs/README": (
        "docs/estimands",
        "docs/reading_a_report",
        "docs/questions",
        "docs/glossary",
        "docs/tables",
        "docs/configuration",
        "docs/commands",
        "docs/*",
        "data/**/README",
    ),
    "docs/gallery": ("notebooks/*",),
    "docs/validation": ("reports/validation/**/README",),
    "docs/reference/README": (
        "docs/reference/configuration",
        "docs/reference/*",
        "docs/architecture",
        "CONTRIBUTING",
        "CHANGELOG",
    ),
}
"""Page to the pages below it, in order; a pattern stands for those of its matches that nothing names."""

TITLES = {
    "docs/start/README": "Start",
    "docs/models": "Models",
    "docs/means_by_visit": "VisitModel",
    "docs/README": "Guides",
    "docs/gallery": "Gallery",
    "docs/validation": "Validation",
    "docs/reference/README": "Reference",
}
"""Short titles for the menu."""


def menu(pages: set[str]) -> dict[str, list[str]]:
    """Page to the pages below it, patterns resolved: each page once, below the first section that names it.

    Parameters
    ----------
    pages : set of str
        Every page of the site.
    """
    named = {entry for entries in SECTIONS.values() for entry in entries} | set(SECTIONS)
    found: dict[str, list[str]] = {}
    taken: set[str] = set()
    for parent, entries in SECTIONS.items():
        found[parent] = []
        for entry in entries:
            matches = [entry]
            if "*" in entry:
                matches = sorted(patfilter(pages - named, entry))
            for page in matches:
                if page in pages and page not in taken:
                    taken.add(page)
                    found[parent].append(page)
    return found


def _add(app: Any, docname: str, content: list[str]) -> None:
    entries = menu(set(app.project.docnames)).get(docname)
    if entries:
        lines = [f"{TITLES[page]} </{page}>" if page in TITLES else f"/{page}" for page in entries]
        content[0] += "\n\n" + "\n".join(["```{toctree}", ":hidden:", "", *lines, "```", ""])


def setup(app: Any) -> dict[str, Any]:
    """Add each section's menu when its page is read."""
    app.connect("source-read", _add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
