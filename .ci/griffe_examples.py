"""An extension of griffe for the API reference.

It shows code in docstrings as code, leaves out private parameters, and shows a method of a client with its answer.
"""

import re
import textwrap
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^Example:\n((?:    .*\n|\n)+)", re.MULTILINE)

_EXCHANGE = re.compile(r"(Call|Pages)\[(.*)\]")


def _fence(example: re.Match[str]) -> str:
    code = textwrap.dedent(example[1]).strip("\n")
    return "Example:\n" + textwrap.indent(f"```python\n{code}\n```\n", "    ") + "\n"


class Examples(griffe.Extension):
    """Prepare each object before its docstring is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Put fences around the code of ``Example:`` sections; remove parameters such as ``*_unnamed``."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(_fence, obj.docstring.value + "\n").rstrip("\n")
        if isinstance(obj, griffe.Function):
            obj.parameters = griffe.Parameters(*(each for each in obj.parameters if not each.name.startswith("_")))
            exchange = _EXCHANGE.fullmatch(str(obj.returns))
            if str(obj.returns) == "EventSource":
                obj.returns = "EventStream"
            elif exchange:
                obj.returns = f"Iterator[{exchange[2]}]" if exchange[1] == "Pages" else exchange[2]
