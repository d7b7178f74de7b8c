#!/usr/bin/env python3
"""Check that a running k8s-gpu-management answers and tells consistent things.

Needs nothing but Python. Without arguments it asks http://localhost:8080, or GPU_MANAGEMENT_API.
A key, where one is needed, comes from GPU_MANAGEMENT_API_KEY.
Exit codes: 0 all checks passed, 1 a check failed, 2 wrong usage or nobody answers.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request

DEFAULT_API = "http://localhost:8080"
PASSED, FAILED, UNREACHABLE = 0, 1, 2
TRIES = 10


class CheckFailed(Exception):
    """What was found is not what should be."""


class Unreachable(Exception):
    """Nobody answers."""


class Api:
    """The few requests that the checks need."""

    def __init__(self, base_url, key, timeout):
        """Keep where to ask, and as whom."""
        self.base_url = base_url.rstrip("/")
        self.key = key
        self.timeout = timeout

    def text(self, path, method="GET", body=None):
        """Return the body of an answer.

        Raises:
            CheckFailed: the status is an error; Unreachable: there was no answer.
        """
        headers = {"Accept": "*/*", "X-GPU-Envelope": "false"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        if self.key:
            headers["Authorization"] = "Bearer " + self.key
        try:
            request = urllib.request.Request(
                self.base_url + path, data=data, headers=headers, method=method
            )
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as refused:
            raise CheckFailed(f"{method} {path}: {_why(refused)}") from refused
        except (urllib.error.URLError, OSError, ValueError) as failed:
            reason = getattr(failed, "reason", failed)
            raise Unreachable(f"cannot reach {self.base_url}: {reason}") from failed

    def json(self, path, method="GET", body=None):
        """Return the parsed body of an answer."""
        text = self.text(path, method, body)
        try:
            return json.loads(text)
        except ValueError as broken:
            raise CheckFailed(f"{method} {path} did not answer with JSON") from broken


def _why(refused):
    """Return status and sentence of an error answer."""
    try:
        detail = json.loads(refused.read().decode("utf-8", "replace")).get("detail", "")
    except (ValueError, AttributeError, OSError):
        detail = ""
    return f"{refused.code} {detail or refused.reason}"


def check_health(api):
    """The health endpoint says UP."""
    status = api.json("/actuator/health").get("status")
    if status != "UP":
        raise CheckFailed(f"status is {status}, not UP")
    return "UP"


def check_devices(api):
    """At least one GPU is known, each under its own id."""
    devices = api.json("/api/v1/gpu/devices")
    if not isinstance(devices, list):
        raise CheckFailed("the answer is not a list")
    if not devices:
        raise CheckFailed("no GPU devices detected")
    ids = {device["deviceId"] for device in devices}
    if len(ids) != len(devices):
        raise CheckFailed(f"{len(devices)} devices share {len(ids)} ids")
    return f"{len(devices)} GPU devices"


def check_overview(api):
    """The overview counts what the list of devices counts."""
    overview, devices = at_one_moment(api)
    total, listed = overview["totalDevices"], len(devices)
    by_model = sum(model["total"] for model in overview["byModel"])
    held = sum(device["heldMilli"] for device in devices)
    if total != listed:
        raise CheckFailed(f"the overview counts {total} devices, the list has {listed}")
    if by_model != total:
        raise CheckFailed(f"models sum to {by_model} devices, not {total}")
    if overview["heldMilli"] + overview["freeMilli"] > overview["totalMilli"]:
        raise CheckFailed("more is held and free than there is")
    if overview["heldMilli"] != held:
        raise CheckFailed(f"the overview has {overview['heldMilli']} milli held, the list {held}")
    return f"{total} devices on {overview['totalNodes']} nodes, figures agree"


def at_one_moment(api):
    """Return overview and devices of the same moment: a busy fleet changes between two answers."""
    for _ in range(TRIES):
        before = api.json("/api/v1/gpu/overview?nodes=false")
        devices = api.json("/api/v1/gpu/devices")
        after = api.json("/api/v1/gpu/overview?nodes=false")
        if all(before[field] == after[field] for field in ("totalDevices", "heldMilli")):
            return after, devices
    raise CheckFailed(f"the fleet changed during each of {TRIES} looks; try again")


def check_metrics(api):
    """The exposition for Prometheus is there."""
    text = api.text("/actuator/prometheus")
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE gpu_")}
    if not names:
        raise CheckFailed("no gpu_ metric is exposed")
    return f"{len(names)} metrics of ours"


def check_round_trip(api):
    """A GPU can be taken and given back."""
    body = {
        "namespace": "default",
        "podName": f"validate-gpu-system-{os.getpid()}",
        "workloadType": "Development",
        "requiredMemoryGb": 1,
        "useMig": False,
    }
    made = api.json("/api/v1/gpu/allocations", "POST", body)
    path = "/api/v1/gpu/allocations/" + str(made.get("allocationId"))
    if not made.get("allocationId") or not made.get("allocatedResource"):
        raise CheckFailed("the allocation has no id or no resource")
    try:
        phase = api.json(path)["phase"]
        if phase != "Allocated":
            raise CheckFailed(f"the allocation is {phase}, not Allocated")
    finally:
        ended = api.json(path, "DELETE")
    if ended["phase"] != "Released" and not ended.get("conditions"):
        raise CheckFailed(f"after the release the phase is {ended['phase']}")
    return f"took and returned {made['allocatedResource']}"


def run(api, checks):
    """Run the checks in order and return a result for each."""
    results = []
    for check in checks:
        started = time.monotonic()
        try:
            ok, detail = True, check(api)
        except CheckFailed as failed:
            ok, detail = False, str(failed)
        except (KeyError, TypeError, AttributeError) as missing:
            ok, detail = False, f"the answer lacks {missing}"
        milliseconds = round((time.monotonic() - started) * 1000)
        name = check.__name__.replace("check_", "").replace("_", "-")
        results.append({"check": name, "ok": ok, "detail": detail, "milliseconds": milliseconds})
    return results


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("GPU_MANAGEMENT_API") or DEFAULT_API
    parser.add_argument("--url", default=default, help="base address (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="also take a GPU and give it back")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for one request")
    return parser.parse_args()


def main():
    """Check, report, and return the exit code."""
    asked = arguments()
    api = Api(asked.url, os.environ.get("GPU_MANAGEMENT_API_KEY", "").strip(), asked.timeout)
    checks = [check_health, check_devices, check_overview, check_metrics]
    if asked.write:
        checks.append(check_round_trip)
    try:
        results = run(api, checks)
    except Unreachable as unreachable:
        return report_unreachable(api, unreachable, as_json=asked.json)
    ok = all(result["ok"] for result in results)
    if asked.json:
        print(json.dumps({"url": api.base_url, "ok": ok, "checks": results}, indent=2))
        return PASSED if ok else FAILED
    for result in results:
        mark = "PASS" if result["ok"] else "FAIL"
        print(f"{mark}  {result['check']:<12} {result['detail']} ({result['milliseconds']} ms)")
    passed = sum(result["ok"] for result in results)
    print(f"{passed} of {len(results)} checks passed at {api.base_url}")
    return PASSED if ok else FAILED


def report_unreachable(api, unreachable, *, as_json):
    """Say that nobody answers."""
    if as_json:
        told = {"url": api.base_url, "ok": False, "checks": [], "error": str(unreachable)}
        print(json.dumps(told, indent=2))
    print(f"ERROR: {unreachable}", file=sys.stderr)
    return UNREACHABLE


if __name__ == "__main__":
    sys.exit(main())
