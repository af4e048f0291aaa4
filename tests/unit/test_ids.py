"""Ids of calls: how they look, and that none comes twice."""

import re

from cerberod.ids import RequestIds


def test_ids_of_calls_never_repeat_and_all_look_alike() -> None:
    one, another = RequestIds(), RequestIds()
    ids = [source.new() for _ in range(1000) for source in (one, another)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"r-[0-9a-f]{16}", id) for id in ids)
