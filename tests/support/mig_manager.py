"""NVIDIA's MIG manager as an actor: it reads its file and labels, and announces what it cut."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import yaml

from gpu_management.cluster.mig_manager import CONFIG_LABEL, STATE_LABEL
from gpu_management.cluster.protocol import Cluster, Kind
from gpu_management.mig.geometry import Geometry, Placement
from gpu_management.mig.layout import free_starts
from tests.support.kube import mig

NAMESPACE = "gpu-operator"
FILE = "default-mig-parted-config"
Thing = dict[str, Any]
Announce = Callable[[str, Sequence[Thing]], None]

_uuids = count(1)


def config_map(**layouts: Any) -> Thing:
    """Return the MIG manager's file as the operator installs it."""
    told = {"version": "v1", "mig-configs": {"all-disabled": [], **layouts}}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": FILE, "namespace": NAMESPACE},
        "data": {"config.yaml": yaml.safe_dump(told)},
    }


def slices_of(geometry: Geometry, index: int, profiles: Sequence[str]) -> list[Thing]:
    """Return what the driver announces of a card cut into these profiles, placed as it likes."""
    standing: list[Placement] = []
    for name in sorted(profiles, key=lambda p: -geometry.profile(p).size):
        standing.append(Placement(name, free_starts(geometry, standing, name)[0]))
    return [
        mig(index, f"GPU-{index}", p.profile, start=p.start, uuid=f"MIG-{next(_uuids)}")
        for p in standing
    ]


class MigManager:
    """Plays one node's MIG manager; `behaviour` says how the next requests go."""

    def __init__(
        self, cluster: Cluster, node_name: str, geometry: Geometry, announce: Announce
    ) -> None:
        self.cluster = cluster
        self.node_name = node_name
        self.geometry = geometry
        self.announce = announce
        self.behaviour: list[str] = []
        """`fail`, `silent`, `stuck`, `lie`, `reboot`; empty is success."""
        self.calls: dict[str, str] = {}
        """What the driver announces some profiles as."""
        self.cut: dict[int, list[str]] = {}
        self.applied: list[dict[int, list[str]]] = []
        self._done: str | None = None
        self._states: list[str] = []
        self._how = ""

    def start(self, cards: dict[int, list[str]]) -> None:
        """Announce the first layout."""
        self.cut = cards
        self._announce()

    def act(self) -> None:
        """Do the next thing a MIG manager would."""
        labels = self.cluster.get(Kind.NODE, self.node_name)["metadata"].get("labels") or {}
        asked = labels.get(CONFIG_LABEL)
        if asked is None:
            return
        if asked != self._done:
            self._done = asked
            self._how = self.behaviour.pop(0) if self.behaviour else ""
            self._states = {
                "": ["pending", "success"],
                "fail": ["pending", "failed"],
                "silent": [],
                "stuck": ["pending"],
                "lie": ["pending", "success"],
                "reboot": ["pending", "rebooting", "pending", "success"],
            }[self._how]
        if not self._states:
            return
        state = self._states.pop(0)
        if state == "success" and self._how != "lie":
            self._apply(asked)
        self.cluster.merge(
            Kind.NODE, self.node_name, {"metadata": {"labels": {STATE_LABEL: state}}}
        )

    def _apply(self, asked: str) -> None:
        file = self.cluster.get(Kind.CONFIG_MAP, FILE, namespace=NAMESPACE)
        layouts = yaml.safe_load(file["data"]["config.yaml"])["mig-configs"]
        for entry in layouts[asked]:
            [index] = entry["devices"]
            self.cut[index] = [
                name for name, number in entry["mig-devices"].items() for _ in range(number)
            ]
        self.applied.append({index: list(names) for index, names in self.cut.items()})
        self._announce()

    def _announce(self) -> None:
        told: list[Thing] = []
        for index, profiles in sorted(self.cut.items()):
            for thing in slices_of(self.geometry, index, profiles):
                name = thing["attributes"]["profile"]["string"]
                thing["attributes"]["profile"] = {"string": self.calls.get(name, name)}
                told.append(thing)
        self.announce(self.node_name, told)
