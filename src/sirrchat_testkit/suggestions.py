"""Suggestions for names that do not exist: attributes, and arguments of verbs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

__tracebackhide__ = True

_ALIKE = 0.82  # the least similarity of a misspelling


_NO_GUESSES: Final[Mapping[str, str]] = {}


def near_name(name: str, known: Iterable[str]) -> str | None:
    """Return the name in ``known`` that ``name`` probably misspells.

    It is a similar one, or one of the same length that differs in a letter, or in two that are swapped.
    """
    import difflib  # only when something was misspelt

    for near in difflib.get_close_matches(name, known, 3, 0.7):
        alike = difflib.SequenceMatcher(None, name, near).ratio()
        wrong = sum(mine != its for mine, its in zip(name, near, strict=False))
        slip = wrong == 1 or (wrong == 2 and sorted(name) == sorted(near))  # noqa: PLR2004
        if alike >= _ALIKE or (len(name) == len(near) and name[:1] == near[:1] and slip):
            return near
    return None


def meant(name: str, known: Sequence[str], guesses: Mapping[str, str] = _NO_GUESSES) -> str:
    """Return, as the end of an error, which of the ``known`` names ``name`` probably means, or all of them."""
    near = guesses.get(name) or near_name(name, known)
    return f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"


def parameters_of(verb: Callable[..., Any]) -> list[str]:
    """Return the parameters of ``verb`` that can be passed by name."""
    import inspect

    kinds = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return [name for name, each in inspect.signature(verb).parameters.items() if each.kind in kinds]


def misnamed(handle: object, name: str, guesses: Mapping[str, str]) -> AttributeError:
    """Return the error for the missing attribute ``name``, with a suggestion if another name was probably meant."""
    kind = type(handle).__name__
    inherited = dir(str) if isinstance(handle, str) else ()
    public = [each for each in dir(type(handle)) if not each.startswith("_") and each not in inherited]
    near = guesses.get(name) or near_name(name, public)
    hint = f"; did you mean {near!r}?" if near else ""
    return AttributeError(f"{kind!r} has no attribute {name!r}{hint}", name=name, obj=handle)


class Hints:
    """A class whose ``AttributeError`` suggests the right name; ``_guesses`` maps names that other packages use.

    It is hidden from type checkers, so that they find a misspelt name themselves.
    """

    __slots__ = ()

    _guesses: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            raise misnamed(self, name, self._guesses)


class CollectionHints(Hints):
    """A handle that is not a collection; its errors suggest the attribute that is one, named by ``_items``."""

    __slots__ = ()

    _items: ClassVar[str]

    if not TYPE_CHECKING:

        def __len__(self) -> NoReturn:
            raise TypeError(f"{type(self).__name__!r} has no length; did you mean len({self._items})?")

        def __iter__(self) -> NoReturn:
            verb = f"{self._items.partition('.')[0]}.receive_all()"
            raise TypeError(f"{type(self).__name__!r} is not iterable; did you mean {self._items}, or {verb}?")

        def __contains__(self, item: object) -> NoReturn:
            iter(self)

        def __getitem__(self, index: object) -> NoReturn:
            raise TypeError(f"{type(self).__name__!r} has no items; did you mean {self._items}[{index!r}]?")

        def __bool__(self) -> bool:
            return True
