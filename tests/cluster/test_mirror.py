"""The copy of a cluster that follows its changes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gpu_management.cluster import mirror as mirrors
from gpu_management.cluster.memory import MemoryCluster
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.protocol import Kind
from tests.support.apps import Hands
from tests.support.kube import node


def until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for another thread; fail when it never gets there."""
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.005)


@contextmanager
def following(cluster: MemoryCluster) -> Iterator[Mirror]:
    copy = Mirror(cluster, [Kind.NODE, Kind.SLICE], clock=Hands(), probe_seconds=0.05)
    copy.start()
    try:
        yield copy
    finally:
        copy.stop()
        cluster.go_away()


def names(copy: Mirror) -> set[str]:
    return {thing["metadata"]["name"] for thing in copy.objects(Kind.NODE)}


@pytest.fixture
def cluster() -> MemoryCluster:
    made = MemoryCluster()
    made.put(Kind.NODE, node("n1"))
    return made


def test_what_is_there_is_listed_and_what_comes_is_watched(cluster: MemoryCluster):
    with following(cluster) as copy:
        assert copy.wait_synced(10)
        assert names(copy) == {"n1"}
        cluster.put(Kind.NODE, node("n2"))
        until(lambda: names(copy) == {"n1", "n2"})
        cluster.drop(Kind.NODE, "n1")
        until(lambda: names(copy) == {"n2"})


def test_a_cluster_that_is_away_makes_the_copy_stale_and_nothing_vanishes(
    cluster: MemoryCluster,
):
    with following(cluster) as copy:
        copy.wait_synced(10)
        cluster.go_away()
        until(lambda: copy.health().stale_since is not None)
        assert names(copy) == {"n1"}
        assert "does not answer" in (copy.health().message or "")
        cluster.go_away(is_away=False)
        until(lambda: copy.health().stale_since is None)


def test_what_changed_while_the_cluster_was_away_is_seen_afterwards(cluster: MemoryCluster):
    with following(cluster) as copy:
        copy.wait_synced(10)
        cluster.go_away()
        until(lambda: copy.health().stale_since is not None)
        cluster.drop(Kind.NODE, "n1")
        cluster.put(Kind.NODE, node("n2"))
        cluster.go_away(is_away=False)
        until(lambda: names(copy) == {"n2"})


def test_after_410_gone_everything_is_read_again_so_that_no_deletion_is_missed(
    cluster: MemoryCluster,
):
    with following(cluster) as copy:
        copy.wait_synced(10)
        cluster.go_away()
        until(lambda: copy.health().stale_since is not None)
        cluster.drop(Kind.NODE, "n1")
        cluster.put(Kind.NODE, node("n2"))
        cluster.forget_history()
        cluster.go_away(is_away=False)
        until(lambda: names(copy) == {"n2"})


def test_a_kind_the_cluster_does_not_have_is_empty_not_a_trouble(cluster: MemoryCluster):
    cluster.unknown_kinds.add(Kind.SLICE)
    with following(cluster) as copy:
        assert copy.wait_synced(10)
        assert copy.objects(Kind.SLICE) == []
        assert not copy.is_known(Kind.SLICE)
        assert copy.health().stale_since is None


def test_a_missing_right_is_named_and_the_copy_is_never_taken_for_complete(
    cluster: MemoryCluster,
):
    cluster.forbidden.add(("list", Kind.SLICE))
    with following(cluster) as copy:
        until(lambda: copy.health().message is not None)
        assert not copy.health().is_synced
        assert "resourceslices is forbidden" in (copy.health().message or "")
        cluster.forbidden.clear()
        assert copy.wait_synced(mirrors.LONGEST_WAIT_SECONDS * 2)


def test_an_object_that_cannot_be_understood_makes_the_copy_stale_not_silent(
    cluster: MemoryCluster, caplog: pytest.LogCaptureFixture
):
    def strict(thing: object) -> object:
        return {"metadata": thing["metadata"], "spec": thing["spec"]}  # type: ignore[index]

    copy = Mirror(cluster, [Kind.NODE], clock=Hands(), trim={Kind.NODE: strict})  # type: ignore[dict-item]
    copy.start()
    assert copy.wait_synced(10)
    cluster.put(Kind.NODE, {"metadata": {"name": "n2"}})
    until(lambda: copy.health().stale_since is not None)
    assert names(copy) == {"n1"}
    assert "broke off" in caplog.text
    copy.stop()
    cluster.go_away()


def test_what_is_noted_of_an_object_is_there_though_the_object_is_left_out():
    cluster = MemoryCluster()
    cluster.put(Kind.NODE, node("n1"))
    copy = Mirror(
        cluster,
        [Kind.NODE],
        clock=Hands(),
        trim={Kind.NODE: lambda _thing: None},
        note={Kind.NODE: lambda thing: str(thing["metadata"]["name"])},
    )
    copy.start()
    assert copy.wait_synced(10)
    assert copy.objects(Kind.NODE) == []
    assert copy.notes(Kind.NODE, str) == ["n1"]
    before = copy.edition(Kind.NODE)
    cluster.put(Kind.NODE, node("n2"))
    until(lambda: sorted(copy.notes(Kind.NODE, str)) == ["n1", "n2"])
    cluster.drop(Kind.NODE, "n1")
    until(lambda: copy.notes(Kind.NODE, str) == ["n2"])
    assert copy.edition(Kind.NODE) == before  # nobody who reads objects has news
    copy.stop()
    cluster.go_away()


def test_objects_may_be_trimmed_or_left_out(cluster: MemoryCluster):
    def slim(thing: object) -> object:
        metadata = thing["metadata"]  # type: ignore[index]
        return None if metadata["name"] == "n2" else {"metadata": metadata}

    cluster.put(Kind.NODE, node("n2"))
    copy = Mirror(cluster, [Kind.NODE], clock=Hands(), trim={Kind.NODE: slim})  # type: ignore[dict-item]
    copy.start()
    copy.wait_synced(10)
    assert copy.find(Kind.NODE, "", "n1") == {"metadata": copy.objects(Kind.NODE)[0]["metadata"]}
    assert names(copy) == {"n1"}
    copy.stop()
    cluster.go_away()
