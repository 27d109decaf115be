"""Check the pages of a site that was built: local links and anchors lead somewhere, and nothing comes from the network.

python docs/site/check.py build/docs
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "image": "href", "use": "href",
}  # fmt: skip
"""Element to the attribute whose address a browser loads by itself; of `link` it is `href`, but for those below."""

NOT_LOADED = {"canonical", "search", "next", "prev", "index", "help", "author", "license", "copyright", "top"}
"""What a `link` may be without being loaded."""


@dataclass
class Page(HTMLParser):
    """What a page refers to.

    Parameters
    ----------
    links : list of str
        Addresses of links.
    loaded : list of str
        Addresses that a browser loads by itself.
    ids : set of str
        Anchors of the page.
    """

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    _styles: bool = False

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links, anchors and what is loaded."""
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and "href" in given and not NOT_LOADED & set(given.get("rel", "").split()):
            self.loaded.append(given["href"])
        if LOADED.get(tag) in given:
            self.loaded.append(given[LOADED[tag]])
        self.loaded += in_styles(given.get("style", ""))
        self._styles = tag == "style"

    def handle_data(self, data: str) -> None:
        """Note what a style sheet in the page loads."""
        if self._styles:
            self.loaded += in_styles(data)

    def handle_endtag(self, tag: str) -> None:
        """The end of a style sheet."""
        self._styles = False


def in_styles(text: str) -> list[str]:
    """Addresses that a style sheet loads.

    Parameters
    ----------
    text : str
        CSS.
    """
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.findall(r"""url\(\s*['"]?([^'")]+)""", bare) + re.findall(r"""@import\s+['"]([^'"]+)""", bare)


def read(path: Path) -> Page:
    """A page of the site.

    Parameters
    ----------
    path : Path
    """
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def pages_of(folder: Path) -> list[Path]:
    """Pages of the site, without templates that a theme leaves among its static files.

    Parameters
    ----------
    folder : Path
        The site.
    """
    return [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.relative_to(folder).parts]


def problems(folder: Path) -> Iterator[str]:
    """What is wrong, a line each.

    Parameters
    ----------
    folder : Path
        The site.

    Yields
    ------
    str
        Page, address, and what is the matter.
    """
    pages = {path.resolve(): read(path) for path in pages_of(folder)}
    if not pages:
        yield f"{folder}: no pages"
    for path, page in pages.items():
        for address in page.links:
            yield from _dead(path, address, pages, folder)
        for address in page.loaded:
            yield from _not_here(path, address, folder)
    for path in sorted(folder.rglob("*.css")):
        for address in in_styles(path.read_text(encoding="utf-8")):
            yield from _not_here(path, address, folder)


def _dead(path: Path, address: str, pages: dict[Path, Page], folder: Path) -> Iterator[str]:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        yield f"{path.relative_to(folder.resolve())}: {address}: no such file"
    elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
        yield f"{path.relative_to(folder.resolve())}: {address}: no such anchor"


def _not_here(path: Path, address: str, folder: Path) -> Iterator[str]:
    parts = urlsplit(address)
    if parts.scheme == "data" or not address or address.startswith("#"):
        return
    where = path.resolve().relative_to(folder.resolve())
    if parts.scheme or parts.netloc:
        yield f"{where}: {address}: loaded from the network"
    elif parts.path and not (path.parent / unquote(parts.path)).is_file():
        yield f"{where}: {address}: no such file"


def main(folder: str) -> int:
    """Print what is wrong; 1 where anything is."""
    found = list(problems(Path(folder)))
    count = len(pages_of(Path(folder)))
    print("\n".join(found) or f"{count} pages: every local link leads somewhere, nothing is loaded from the network")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
