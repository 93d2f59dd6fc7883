"""The extras of the package, which are installed only on request."""

from importlib.util import find_spec


def has_web() -> bool:
    """Return whether the extra ``web`` is installed, which the web inbox needs."""
    return find_spec("jinja2") is not None and find_spec("nh3") is not None
