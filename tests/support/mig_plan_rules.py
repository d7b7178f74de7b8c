"""The rules of `gpuctl mig plan`, written from its contract: they share nothing with the planner.

Every step of an answer is carried out one by one, and the result is valued.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.support.mig_replay_rules import Broken, check_board, profile_of

Value = tuple[float, int, float, int]


class Floor:
    """The GPUs of a state while steps are carried out."""

    def __init__(self, state: Mapping[str, Any], demand: Mapping[str, int]) -> None:
        self.geometry = {gpu["id"]: gpu["geometry"] for gpu in state["gpus"]}
        self.instances = {i["id"]: dict(i) for gpu in state["gpus"] for i in gpu["instances"]}
        self.on = {i["id"]: gpu["id"] for gpu in state["gpus"] for i in gpu["instances"]}
        self.demand = demand
        self.created: Counter[str] = Counter()
        self.restarts, self.cost = 0, 0.0
        self.free_at: dict[str, float] = dict.fromkeys(self.geometry, 0.0)
        self.touched: set[str] = set()

    def places(self, gpu: str, without: str = "") -> list[tuple[str, int]]:
        return [
            (i["profile"], i["start"])
            for name, i in self.instances.items()
            if self.on[name] == gpu and name != without
        ]

    def take(self, gpus: set[str], seconds: float) -> None:
        end = max(self.free_at[gpu] for gpu in gpus) + seconds
        self.free_at |= dict.fromkeys(gpus, end)
        self.touched |= gpus

    def destroy(self, step: Mapping[str, Any]) -> None:
        name = step["instance"]
        if self.instances[name]["state"] != "free" or self.on[name] != step["gpu"]:
            raise Broken(f"{name} is not a free instance of {step['gpu']}")
        del self.instances[name], self.on[name]
        self.take({step["gpu"]}, 5)

    def create(self, step: Mapping[str, Any]) -> None:
        name, profile, gpu = step["instance"], step["profile"], step["gpu"]
        if name in self.instances or name in self.on:
            raise Broken(f"{name} is there already")
        self.created[profile] += 1
        standing = sum(
            i["state"] == "free" and i["profile"] == profile for i in self.instances.values()
        )
        if self.created[profile] + standing > self.demand.get(profile, 0):
            raise Broken(f"more of {profile} than is asked for")
        check_board(self.geometry[gpu], [*self.places(gpu), (profile, step["start"])])
        self.instances[name] = {"profile": profile, "start": step["start"], "state": "new"}
        self.on[name] = gpu
        self.take({gpu}, 5)

    def relocate(self, step: Mapping[str, Any], *, make_before_break: bool) -> None:
        name, gpu = step["instance"], step["to_gpu"]
        moved, source = self.instances[name], self.on[name]
        if moved["state"] != "running" or not moved["movable"]:
            raise Broken(f"{name} may not be moved")
        if self.geometry[gpu] != self.geometry[source]:
            raise Broken(f"{name} moves to another geometry")
        if (gpu, step["to_start"]) == (source, moved["start"]):
            raise Broken(f"{name} moves to where it is")
        others = self.places(gpu, without="" if make_before_break else name)
        check_board(self.geometry[gpu], [*others, (moved["profile"], step["to_start"])])
        moved["start"], self.on[name] = step["to_start"], gpu
        self.restarts += not make_before_break
        self.cost += moved["move_cost"]
        self.take({gpu, source}, 5 + moved["move_s"] + 5)

    def unserved(self) -> dict[str, int]:
        have = self.created + Counter(
            i["profile"] for i in self.instances.values() if i["state"] == "free"
        )
        left = {name: count - have[name] for name, count in self.demand.items()}
        return {name: count for name, count in left.items() if count > 0}

    def slices(self, counts: Mapping[str, int]) -> int:
        return sum(count * int(name.split("g")[0]) for name, count in counts.items())


def judge_plan(
    state: Mapping[str, Any], demand: Mapping[str, int], out: Mapping[str, Any]
) -> tuple[Value, float]:
    """Carry out an answer step by step; return its value and makespan, or raise."""
    floor = Floor(state, demand)
    for step in out["steps"]:
        match step["op"]:
            case "destroy":
                floor.destroy(step)
            case "create":
                floor.create(step)
            case "move" | "restart":
                floor.relocate(step, make_before_break=step["op"] == "move")
            case _:
                raise Broken(f"unknown step {step}")
    told = {name: count for name, count in out["unserved"].items() if count}
    if told != floor.unserved():
        raise Broken(f"unserved is {floor.unserved()}, not {told}")
    value = (floor.slices(told), floor.restarts, floor.cost, len(floor.touched))
    bound = tuple(
        out["bound"][k] for k in ("unserved_slices", "restarts", "move_cost", "gpus_touched")
    )
    if bound > value or (out["optimal"] and bound != value):
        raise Broken(f"the bound {bound} is not honest: {value}, optimal {out['optimal']}")
    return value, max(floor.free_at.values(), default=0.0)


def best_by_search(
    state: Mapping[str, Any], demand: Mapping[str, int], *, most: int = 1500
) -> Value | None:
    """Return the best value of all plans without restarts, by trying each; None past `most`."""
    floor = Floor(state, demand)
    best: dict[tuple[Any, ...], float] = {}
    values: list[Value] = []
    stack = [(floor.instances, floor.on, Counter[str](), 0.0, frozenset[str]())]
    while stack:
        floor.instances, floor.on, floor.created, floor.cost, touched = stack.pop()
        key = (
            frozenset((n, floor.on[n], i["start"]) for n, i in floor.instances.items()),
            touched,
        )
        if best.get(key, float("inf")) <= floor.cost:
            continue
        best[key] = floor.cost
        if len(best) > most:
            return None
        values.append((floor.slices(floor.unserved()), 0, floor.cost, len(touched)))
        stack += _next(state, demand, floor, touched)
    return min(values)


def _next(
    state: Mapping[str, Any], demand: Mapping[str, int], floor: Floor, touched: frozenset[str]
) -> list[Any]:
    found = []
    for step in _thinkable(floor):
        trial = Floor({"gpus": []}, demand)
        trial.geometry, trial.free_at = floor.geometry, dict.fromkeys(floor.geometry, 0.0)
        trial.instances = {n: dict(i) for n, i in floor.instances.items()}
        trial.on, trial.created, trial.cost = dict(floor.on), Counter(floor.created), floor.cost
        try:
            match step["op"]:
                case "destroy":
                    trial.destroy(step)
                case "create":
                    trial.create(step)
                case _:
                    trial.relocate(step, make_before_break=True)
        except Broken:
            continue
        found.append(
            (trial.instances, trial.on, trial.created, trial.cost, touched | trial.touched)
        )
    return found


def _thinkable(floor: Floor) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for name, instance in floor.instances.items():
        if instance["state"] == "free":
            steps.append({"op": "destroy", "gpu": floor.on[name], "instance": name})
        if instance["state"] == "running" and instance["movable"]:
            for gpu, geometry in floor.geometry.items():
                kind = profile_of(geometry, instance["profile"])
                steps += [
                    {"op": "move", "instance": name, "to_gpu": gpu, "to_start": start}
                    for start in (kind["starts"] if kind else ())
                ]
    for profile in floor.demand:
        number = floor.created[profile]
        for gpu, geometry in floor.geometry.items():
            kind = profile_of(geometry, profile)
            plain = {"op": "create", "gpu": gpu, "profile": profile}
            steps += [
                plain | {"start": start, "instance": f"made-{profile}-{number}"}
                for start in (kind["starts"] if kind else ())
            ]
    return steps
