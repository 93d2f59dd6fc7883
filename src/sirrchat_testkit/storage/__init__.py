"""The store: TinyDB, made flat and durable.

Nothing outside of this folder knows TinyDB; everybody else sees ``domain.store.Store``.
"""

from sirrchat_testkit.storage.store import TinyStore

__all__ = ["TinyStore"]
