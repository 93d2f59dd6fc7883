"""Clients of the JSON APIs over HTTP, synchronous and asynchronous.

1. A method of a resource, such as ``Users.get``, describes one exchange: path, query, body, and how to read the answer.
   It is written once, and does no I/O.
2. The driver of a client sends the exchange and returns the answer (``SyncDriver``) or an awaitable of it
   (``AsyncDriver``). Lists are iterators that request a page when they need it, a stream of events connects again when
   its connection breaks.
3. Answers are the models in ``schemas``; errors are in ``errors``.
4. Nothing depends on the other end being this version, or this package: unknown fields are ignored, and optional ones
   may be missing. Only this package has the control API.
"""
