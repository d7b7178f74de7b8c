from collections.abc import Callable

import httpx2

from gpu_management.collector.sender import Sender


class Server:
    """Answers in turn with the codes told, then 200; remembers what it got."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.bodies: list[bytes] = []
        self.keys: list[str | None] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        code = self.codes.pop(0) if self.codes else 200
        if code == 0:
            raise httpx2.ConnectError("refused")
        if code == 200:
            self.bodies.append(request.content)
        self.keys.append(request.headers.get("Authorization"))
        return httpx2.Response(code, text="no")


def sender(
    server: Server, *, most_bytes: int = 10_000, key: Callable[[], str | None] = lambda: None
) -> Sender:
    client = httpx2.Client(base_url="http://server", transport=httpx2.MockTransport(server))
    return Sender(client, key, most_bytes=most_bytes)


def test_what_waits_is_sent_oldest_first() -> None:
    server = Server()
    queue = sender(server)
    queue.put({"n": 1})
    queue.put({"n": 2})
    assert queue.flush()
    assert server.bodies == [b'{"n":1}', b'{"n":2}']
    assert queue.counts.sent == 2


def test_while_the_server_is_away_nothing_is_lost() -> None:
    server = Server(0, 503, 429, 401)
    queue = sender(server)
    queue.put({"n": 1})
    for _ in range(4):
        assert not queue.flush()
    assert queue.waiting == 1
    assert queue.counts.failures == 4
    assert queue.flush()
    assert server.bodies == [b'{"n":1}']


def test_a_full_queue_drops_its_oldest_and_counts_them() -> None:
    server = Server()
    queue = sender(server, most_bytes=15)
    for number in range(4):
        queue.put({"n": number})
    assert queue.waiting == 2
    assert queue.counts.dropped_full == 2
    queue.flush()
    assert server.bodies == [b'{"n":2}', b'{"n":3}']


def test_a_batch_larger_than_the_queue_is_still_kept() -> None:
    queue = sender(Server(), most_bytes=3)
    queue.put({"n": "large"})
    assert queue.waiting == 1


def test_what_is_refused_for_good_does_not_block_the_rest() -> None:
    server = Server(422)
    queue = sender(server)
    queue.put({"bad": 1})
    queue.put({"n": 2})
    assert queue.flush()
    assert server.bodies == [b'{"n":2}']
    assert queue.counts.dropped_refused == 1


def test_a_rotated_key_counts_at_once() -> None:
    server = Server()
    keys = ["one", "two"]
    queue = sender(server, key=lambda: keys.pop(0))
    queue.put({})
    queue.put({})
    queue.flush()
    assert server.keys == ["Bearer one", "Bearer two"]
