from hypothesis import given
from hypothesis import strategies as st

from cerberod.rpc.conversation import Conversation, ConversationLimits
from cerberod.transport.sessions import HalfOpen, OpenSession, SessionTable
from tests.support.small import principal, small_daemon


async def send(message: bytes) -> None:
    return


def test_sessions_are_counted_in_all_and_for_each_token() -> None:
    table: SessionTable[int] = SessionTable()
    for key, actor in enumerate(["testnet", "mainnet", "testnet"]):
        table.add(key, OpenSession(principal(actor=actor), 0.0))
    assert (len(table), table.of_actor("testnet"), table.of_actor("mainnet")) == (3, 2, 1)
    table.discard(0)
    table.discard(0)
    table.discard(99)
    assert (len(table), table.of_actor("testnet")) == (2, 1)
    assert table.get(0) is None
    assert [key for key, _ in table] == [1, 2]


async def test_a_view_shows_what_waits() -> None:
    opened = OpenSession(principal(), 10.0)
    assert (opened.view(12.5).age_s, opened.view(12.5).outbox_messages) == (2.5, 0)
    dispatcher = small_daemon().dispatcher
    session = dispatcher.open_session(principal())
    opened.conversation = Conversation(dispatcher, session, send, ConversationLimits(4, 4, 100))
    await opened.conversation.outbox.put(b"12345")
    session.read(b'{"jsonrpc":"2.0","id":1,"method":"a.b"}')
    session.read(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    view = opened.view(11.0)
    assert (view.in_flight, view.outbox_messages, view.outbox_bytes, view.ignored) == (1, 1, 5, 1)


def test_the_longest_silent_connection_of_an_address_makes_room() -> None:
    half_open: HalfOpen[int] = HalfOpen(2, 100)
    assert [half_open.opened(key, "a", key * 10.0) for key in range(4)] == [[], [], [0], [1]]
    assert half_open.opened(9, "b", 40.0) == []
    assert list(half_open) == [2, 3, 9]


def test_many_that_connect_at_once_all_get_in() -> None:
    half_open: HalfOpen[int] = HalfOpen(2, 1000)
    assert [half_open.opened(key, "a", 0.5) for key in range(100)] == [[]] * 100
    assert len(half_open.opened(100, "a", 2.0)) == 99  # silent for too long, all but one


def test_the_bound_on_all_has_no_patience() -> None:
    half_open: HalfOpen[int] = HalfOpen(100, 3)
    assert [half_open.opened(key, str(key), 0.0) for key in range(5)] == [[], [], [], [0], [1]]


def test_who_has_spoken_is_not_half_open() -> None:
    half_open: HalfOpen[int] = HalfOpen(1, 10)
    half_open.opened(1, "a", 0.0)
    half_open.settled(1)
    half_open.settled(1)
    assert half_open.opened(2, "a", 10.0) == []
    assert len(half_open) == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.floats(0, 2)), max_size=80))
def test_the_bounds_hold_for_any_order_of_events(steps: list[tuple[str, bool, float]]) -> None:
    half_open: HalfOpen[int] = HalfOpen(3, 5)
    alive: set[int] = set()
    now = 0.0
    for key, (address, opens, step) in enumerate(steps):
        now += step
        if opens:
            alive.add(key)
            dropped = half_open.opened(key, address, now)
            assert key not in dropped
            alive -= set(dropped)
        elif alive:
            half_open.settled(alive.pop())
        assert len(half_open) == len(alive) <= 5
