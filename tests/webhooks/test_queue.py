"""The order in which deliveries are attempted."""

from __future__ import annotations

from sirrchat_testkit.webhooks.attempts import IN_FLIGHT, Queue


def taken(queue: Queue) -> list[tuple[str, int]]:
    """Take all deliveries that may start now."""
    found = []
    while one := queue.take():
        found.append(one)
    return found


def test_webhooks_take_turns() -> None:
    queue = Queue()
    for webhook, seq in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("c", 6)]:
        queue.put(webhook, seq)
    assert taken(queue) == [("a", 1), ("b", 4), ("c", 5), ("a", 2), ("c", 6), ("a", 3)]


def test_a_webhook_with_eight_attempts_under_way_waits_until_one_ends() -> None:
    queue = Queue()
    for seq in range(IN_FLIGHT + 1):
        queue.put("a", seq)
    assert len(taken(queue)) == IN_FLIGHT == 8
    queue.put("b", 100)
    assert taken(queue) == [("b", 100)]
    queue.finished("a")
    assert taken(queue) == [("a", IN_FLIGHT)]


def test_deliveries_become_ready_by_their_time() -> None:
    queue = Queue()
    for seq, due_at in [(1, 30), (2, 10), (3, 20)]:
        queue.put_later("a", seq, due_at)
    assert queue.next_due == 10
    queue.promote_due(20)
    assert taken(queue) == [("a", 2), ("a", 3)]
    assert queue.next_due == 30


def test_a_webhook_without_deliveries_is_forgotten() -> None:
    queue = Queue()
    queue.put("a", 1)
    taken(queue)
    queue.finished("a")
    assert queue._queues == {}


def test_a_webhook_with_a_held_delivery_is_not_forgotten() -> None:
    queue = Queue()
    queue.put("a", 1)
    taken(queue)
    queue.of("a").held.append(1)
    queue.finished("a")
    assert list(queue.of("a").held) == [1]
