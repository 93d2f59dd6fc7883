"""The store: TinyDB with indexes and a journal.

Only this folder imports TinyDB. The rest of the package uses ``domain.store.Store``, and users ``database.Database``.
"""

from sirrchat_testkit.storage.store import TinyStore

__all__ = ["TinyStore"]
