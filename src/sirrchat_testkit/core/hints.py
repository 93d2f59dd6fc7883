"""What to say to a misguessed name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping


def misnamed(handle: object, name: str, guesses: Mapping[str, str]) -> AttributeError:
    """Return the error for ``handle.name``: it names what was probably meant."""
    kind = type(handle).__name__
    public = [each for each in dir(type(handle)) if not each.startswith("_")]
    near = guesses.get(name) or next(iter(difflib.get_close_matches(name, public, 1)), None)
    hint = f"; did you mean {near!r}?" if near else ""
    return AttributeError(f"{kind!r} has no attribute {name!r}{hint}", name=name, obj=handle)
