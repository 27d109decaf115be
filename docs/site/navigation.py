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
    "docs/validation": (
        "reports/validation/valor*/README",
        "reports/validation/design_valor/README",
        "reports/validation/generator/README",
        "reports/validation/calibration/*/README",
        "reports/validation/recovery/LongitudinalModel/README",
        "reports/validation/recovery/generator/README",
        "reports/validation/recovery/*/README",
        "reports/validation/joint_recovery/README",
        "reports/validation/borrowing*/*/README",
        "reports/validation/individual_level/README",
        "reports/validation/surrogacy_verdicts/README",
        "reports/validation/few_trials/README",
        "reports/validation/**/README",
    ),
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
    "reports/validation/valor/README": "published means",
    "reports/validation/valor_exits/README": "exits",
    "reports/validation/design_valor/README": "a planned trial",
    "reports/validation/generator/README": "the generator of trials",
    "reports/validation/recovery/LongitudinalModel/README": "LongitudinalModel's own trials",
    "reports/validation/recovery/generator/README": "the generator's trials",
    "reports/validation/joint_recovery/README": "JointEventModel, informative death",
    "reports/validation/borrowing/effect/README": "LongitudinalModel, power",
    "reports/validation/borrowing/no_effect/README": "LongitudinalModel, type I error",
    "reports/validation/borrowing_decline/effect/README": "SharedRateModel, power",
    "reports/validation/borrowing_decline/no_effect/README": "SharedRateModel, type I error",
}
"""Short titles for the menu."""


CAPTIONS = {
    "docs/validation": (
        ("reports/validation/*valor*/README", "VALOR"),
        ("reports/validation/generator/README", "VALOR"),
        ("reports/validation/calibration/*/README", "Calibration"),
        ("reports/validation/recovery/*/README", "Recovery"),
        ("reports/validation/joint_recovery/README", "Recovery"),
        ("reports/validation/borrowing*/*/README", "Borrowing"),
        ("reports/validation/individual_level/README", "Surrogacy"),
        ("reports/validation/surrogacy_verdicts/README", "Surrogacy"),
        ("reports/validation/few_trials/README", "Surrogacy"),
        ("reports/validation/**/README", "Others"),
    ),
}
"""Headings within a section of the menu: the first pattern that a page matches."""


def title(page: str) -> str:
    """Short title for the menu, blank where the page's own serves.

    Parameters
    ----------
    page : str
        A study's is the name of its folder: "LongitudinalModel, normal rates", "late weaker".
    """
    if page in TITLES or not page.startswith("reports/validation/"):
        return TITLES.get(page, "")
    return page.split("/")[-2].replace("-", ", ").replace("_", " ")


def captioned(parent: str, pages: list[str]) -> list[tuple[str, list[str]]]:
    """Pages of a section by heading, both in order.

    Parameters
    ----------
    parent : str
        The section's page.
    pages : list of str
    """
    found: dict[str, list[str]] = {}
    for page in pages:
        headings = [heading for pattern, heading in CAPTIONS.get(parent, ()) if patfilter([page], pattern)]
        found.setdefault(headings[0] if headings else "", []).append(page)
    return list(found.items())


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
                matches = sorted(patfilter(pages - named, entry), key=lambda page: page.removesuffix("/README"))
            for page in matches:
                if page in pages and page not in taken:
                    taken.add(page)
                    found[parent].append(page)
    return found


def _add(app: Any, docname: str, content: list[str]) -> None:
    entries = menu(set(app.project.docnames)).get(docname)
    for caption, pages in captioned(docname, entries or []):
        lines = [f"{title(page)} </{page}>" if title(page) else f"/{page}" for page in pages]
        options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
        content[0] += "\n\n" + "\n".join(["```{toctree}", *options, "", *lines, "```", ""])


def setup(app: Any) -> dict[str, Any]:
    """Add each section's menu when its page is read."""
    app.connect("source-read", _add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
