"""The store: TinyDB, made flat and durable.

Nothing outside of this folder knows TinyDB; everybody else sees ``core.store.Store``.
"""

from sirrchat_testkit.store.tiny import TinyStore

__all__ = ["TinyStore"]
