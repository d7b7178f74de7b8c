from threading import Barrier, Thread

import pytest

from gpu_management.core.cache import Cache
from tests.support.apps import Hands


class Maker:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> int:
        self.made += 1
        return self.made


def test_an_answer_is_kept_while_its_version_lasts() -> None:
    cache, make, clock = Cache(), Maker(), Hands()
    assert [cache.get("a", version, make, now=clock()) for version in (1, 1, 2, 2, 1)] == [
        1,
        1,
        2,
        2,
        3,
    ]
    assert cache.get("b", 1, make, now=clock()) == 4


def test_an_answer_is_made_again_after_its_time() -> None:
    cache, make, clock = Cache(ttl_seconds=30), Maker(), Hands()
    assert cache.get("a", 1, make, now=clock()) == 1
    assert cache.get("a", 1, make, now=clock.forward(seconds=29)) == 1
    assert cache.get("a", 1, make, now=clock.forward(seconds=1)) == 2
    assert cache.get("a", 1, make, now=clock.forward(seconds=-5)) == 3


def test_the_least_recently_asked_answer_goes_first() -> None:
    cache, make, clock = Cache(max_size=2), Maker(), Hands()
    for key in "abac":
        cache.get(key, 1, make, now=clock())
    assert make.made == 3
    assert cache.get("a", 1, make, now=clock()) == 1
    assert cache.get("b", 1, make, now=clock()) == 4


@pytest.mark.parametrize("off", [{"enabled": False}, {"ttl_seconds": 0}])
def test_a_cache_that_is_off_makes_every_answer(off: dict[str, int]) -> None:
    cache, make, clock = Cache(**off), Maker(), Hands()
    assert [cache.get("a", 1, make, now=clock()) for _ in range(3)] == [1, 2, 3]


def test_a_failure_is_not_kept() -> None:
    cache, clock = Cache(), Hands()
    with pytest.raises(ZeroDivisionError):
        cache.get("a", 1, lambda: 1 // 0, now=clock())
    assert cache.get("a", 1, lambda: 7, now=clock()) == 7


def test_who_asks_at_once_shares_one_answer() -> None:
    cache, make, clock = Cache(), Maker(), Hands()
    everybody = Barrier(8)
    found: list[int] = []

    def ask() -> None:
        everybody.wait()
        found.append(cache.get("a", 1, make, now=clock()))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
