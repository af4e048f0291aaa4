"""Waits double up to a cap that is also the shortest steady wait."""

from itertools import pairwise

from cerberod.venues.backoff import Backoff


def test_waits_double_and_then_stay_at_the_cap() -> None:
    backoff = Backoff(lambda: 0.0)
    waits = [backoff.next_s() for _ in range(10)]
    assert waits[:3] == [0.5, 1.0, 2.0]
    assert waits[-3:] == [30.0] * 3


def test_jitter_only_lengthens_so_that_a_dead_venue_is_tried_at_most_every_thirty_seconds() -> None:
    backoff = Backoff(lambda: 0.999)
    waits = [backoff.next_s() for _ in range(200)]
    assert all(wait >= 30 for wait in waits[7:])
    assert max(waits) < 45
    assert all(later >= earlier for earlier, later in pairwise(waits[:7]))


def test_a_reset_begins_with_the_shortest_wait() -> None:
    backoff = Backoff(lambda: 0.0)
    for _ in range(9):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 0.5
