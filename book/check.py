"""Checks a built site without a browser: links, images, and that nothing comes from the network.

What a script does when it runs is not seen here: `tests/book/test_book_browser.py` looks for that.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes whose address a browser loads by itself, on whatever element they stand.
LOADING = {"src", "srcset", "data", "poster", "background", "href"}
FOLLOWED = {"a", "area"}  # here `href` waits for a click
NAMING = {"canonical", "license", "author"}  # <link rel=...> that loads nothing
CSS_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)(["']?)(?P<url>[^"')\s;]+)""", re.IGNORECASE)
REMOTE = re.compile(r"^\s*(?:(?:https?|wss?|ftp):)?//", re.IGNORECASE)
REMOTE_IN_SCRIPT = re.compile(r"""["'`](?:(?:https?|wss?):)?//[\w.-]+""")


@dataclass(frozen=True)
class Address:
    """An address on a page: where it stands, and whether the browser loads it by itself."""

    url: str
    line: int
    loaded: bool


@dataclass(frozen=True)
class Report:
    """What was looked at, and one line for each fault."""

    pages: int
    links: int
    images: int
    faults: tuple[str, ...]


class Page(HTMLParser):
    """What one page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = {"", "top"}
        self.addresses: list[Address] = []
        self.faults: list[tuple[int, str]] = []
        self.images = 0
        self.headings = 0
        self.language = ""
        self._raw = ""  # "script" or "style" while inside one
        self.feed(text)
        self.close()
        if not self.language:
            self._fault("<html> has no lang attribute", 1)
        if self.headings != 1:
            self._fault(f"{self.headings} <h1>: a page has one", 1)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.headings += tag == "h1"
        self._raw = tag if tag in ("script", "style") else ""
        if tag == "html":
            self.language = values.get("lang", "").strip()
        if tag == "img":
            self.images += 1
            if not values.get("alt", "").strip():
                self._fault(f"image without alt text: {values.get('src', '')[:60]}")
        for name, value in values.items():
            if name in LOADING:
                self._address(tag, name, value, values)
            elif name == "style":
                self._styles(value)
            elif name.startswith("on"):
                self._script(value)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self._raw = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == self._raw:
            self._raw = ""

    def handle_data(self, data: str) -> None:
        if self._raw == "style":
            self._styles(data)
        elif self._raw == "script":
            self._script(data)

    def _address(self, tag: str, name: str, value: str, values: dict[str, str]) -> None:
        if tag == "link" and NAMING & set(values.get("rel", "").split()):
            return
        # In srcset: "small.png 1x, large.png 2x"; a data address has a comma of its own.
        split = name == "srcset" and not value.startswith("data:")
        urls = [part.split()[0] for part in value.split(",") if part.strip()] if split else [value]
        loaded = tag not in FOLLOWED
        self.addresses += [Address(url.strip(), self.getpos()[0], loaded) for url in urls]

    def _styles(self, text: str) -> None:
        line = self.getpos()[0]
        self.addresses += [Address(url, line, True) for url in css_addresses(text)]

    def _script(self, text: str) -> None:
        for found in REMOTE_IN_SCRIPT.findall(text):
            self._fault(f"a script names an address of the network: {found[1:]}")

    def _fault(self, message: str, line: int | None = None) -> None:
        self.faults.append((line or self.getpos()[0], message))


def css_addresses(text: str) -> list[str]:
    """Return the addresses that a style sheet loads."""
    return [match["url"] for match in CSS_ADDRESS.finditer(text)]


def check(site: Path) -> Report:
    """Check every page and style sheet in the folder `site`.

    Raises:
        ValueError: there is no page in it.
    """
    site = site.resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages:
        raise ValueError(f"{site} holds no page: build the book first")
    faults = []
    for path, page in pages.items():
        found = list(page.faults)
        for address in page.addresses:
            fault = _fault_of(address, path, site, pages)
            found += [(address.line, fault)] if fault else []
        name = path.relative_to(site).as_posix()
        faults += [f"{name}, line {line}: {message}" for line, message in sorted(found)]
    for path in sorted(site.rglob("*.css")):
        for url in css_addresses(path.read_text(encoding="utf-8")):
            fault = _fault_of(Address(url, 0, True), path, site, pages)
            faults += [f"{path.relative_to(site).as_posix()}: {fault}"] if fault else []
    links = sum(len(page.addresses) for page in pages.values())
    return Report(len(pages), links, sum(page.images for page in pages.values()), tuple(faults))


def _fault_of(address: Address, path: Path, site: Path, pages: dict[Path, Page]) -> str | None:
    """What is wrong with an address on the page or style sheet at `path`, or None."""
    url = address.url
    shown = url if len(url) < 80 else url[:77] + "..."
    if REMOTE.match(url):
        return f"loads {shown} from the network" if address.loaded else None
    parts = urlsplit(url)
    if parts.scheme:
        return None if parts.scheme in ("data", "mailto") else f"{shown}: of no use offline"
    if parts.path.startswith("/"):
        return f"{shown} begins with /: it leads nowhere when the page is opened as a file"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_relative_to(site):
        return f"{shown} leads out of the site"
    if not target.is_file():
        return f"{shown}: there is no such file"
    if target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return f"{shown}: the page has no such anchor"
    return None
