"""What to say to a misguessed name of a handle."""

from sirrchat_testkit.core.hints import misnamed

__all__ = ["misnamed"]
