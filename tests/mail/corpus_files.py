"""The corpus: mails as readers see them, with what they say; see ``corpus/README.md`` for the format."""

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "corpus"
UNAMBIGUOUS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def of(alphabet: str, *groups: int) -> Callable[[random.Random], str]:
    return lambda source: "-".join("".join(source.choices(alphabet, k=length)) for length in groups)


FORMATS: dict[str, Callable[[random.Random], str]] = {
    "digits4": of("0123456789", 4),
    "digits5": of("0123456789", 5),
    "digits6": of("0123456789", 6),
    "digits8": of("0123456789", 8),
    "spaced": lambda source: of("0123456789", 3, 3)(source).replace("-", " "),
    "dashed": of("0123456789", 3, 3),
    "pairs": of("0123456789", 2, 2, 2),
    "groups": of(UNAMBIGUOUS, 4, 4),
    "alnum": of(UNAMBIGUOUS, 6),
    "letters-dash": of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 3, 3),
}
YEARS = [str(year) for year in range(1900, 2100)]
DATES = [f"{day:02}-{month:02}-{year:02}" for day, month, year in ((1, 2, 26), (31, 12, 99), (12, 3, 4))]
DATES += ["20260314", "19991231", "2026-0314"]


class Mail(NamedTuple):
    """One mail; ``{code}`` and ``{each:…}`` stand in its texts where a code is."""

    name: str
    subject: str
    text: str
    html: str
    code: str
    link: str | None
    formats: tuple[str, ...]

    def filled(self, code: str) -> "Mail":
        return self._replace(
            subject=filled(self.subject, code), text=filled(self.text, code), html=filled(self.html, code)
        )


def filled(text: str, code: str) -> str:
    each = re.sub(
        r"\{each:(.*?)\}", lambda box: "".join(box[1].replace("*", one) for one in code), text, flags=re.DOTALL
    )
    return each.replace("{code}", code)


@cache
def mails(kind: str) -> tuple[Mail, ...]:
    return tuple(load(path) for path in sorted((FOLDER / kind).glob("*.eml")))


def load(path: Path) -> Mail:
    head, _, body = path.read_text("utf-8").partition("\n\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.splitlines())}
    texts = {"plain": "", "html": ""} | dict(parts(fields["content-type"], body))
    formats = fields.get("formats")
    return Mail(
        path.stem,
        fields.get("subject", ""),
        texts["plain"],
        texts["html"],
        fields["expected-code"],
        fields.get("expected-link"),
        tuple(each.strip() for each in formats.split(",")) if formats else tuple(FORMATS),
    )


def parts(content_type: str, body: str) -> list[tuple[str, str]]:
    found = re.search(r'boundary="([^"]+)"', content_type)
    if found is None:
        return [(subtype(content_type), body)]
    divided = [part.lstrip("\n") for part in body.split(f"--{found[1]}")[1:] if not part.startswith("--")]
    return [(subtype(part.partition("\n\n")[0]), part.partition("\n\n")[2]) for part in divided]


def subtype(field: str) -> str:
    return "html" if "text/html" in field else "plain"
