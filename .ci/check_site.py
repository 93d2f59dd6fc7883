"""Check the built site: nothing is loaded from another host, and every link leads to a page and a place on it."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(sys.argv[1]).resolve()


class Page(HTMLParser):
    """The ids, links and loaded files of one page."""

    def __init__(self, file: Path) -> None:
        """Read ``file``."""
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what an element links to or loads."""
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag != "a":
            self.loaded += [given[name] for name in ("src", "href", "data", "poster", "srcset") if given.get(name)]


def is_external(url: str) -> bool:
    """Return whether ``url`` names a host or has a scheme; data is not loaded from anywhere."""
    parts = urlsplit(url)
    return bool(parts.netloc or parts.scheme) and parts.scheme != "data"


pages = {file: Page(file) for file in SITE.rglob("*.html")}
problems = []
for file, page in pages.items():
    name = file.relative_to(SITE)
    problems += [f"{name} loads {url}" for url in page.loaded if is_external(url)]
    for link in page.links if name.name != "404.html" else []:  # its links are those of the root
        if is_external(link):
            continue
        parts = urlsplit(link)
        target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
        if target.is_dir():
            target /= "index.html"
        anchor = unquote(parts.fragment)
        if not target.is_relative_to(SITE) or not target.is_file():
            problems.append(f"{name} links to {link}, which the site does not have")
        elif anchor and target in pages and anchor not in pages[target].ids:
            problems.append(f"{name} links to {link}, which has no such place")
for file in SITE.rglob("*.css"):
    loaded = re.findall(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')]+)""", file.read_text("utf-8"))
    problems += [f"{file.relative_to(SITE)} loads {url}" for url in loaded]
print("\n".join(problems) or f"{len(pages)} pages: links and loaded files are right")
sys.exit(bool(problems))
