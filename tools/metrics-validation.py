#!/usr/bin/env python3
"""Check what a GPU exporter serves, and whether the API tells the same as Prometheus.

    tools/metrics-validation.py http://NODE:9400/metrics [--again SECONDS]
    tools/metrics-validation.py --api http://HOST:8080 --prometheus http://HOST:9090

An exposition is checked for names, labels, ranges and repeated rows; with --again it is read twice,
and counters must not fall. The API and Prometheus are asked for the newest temperature of each GPU:
it changes slowly, so both must tell nearly the same although they looked at other moments.
Needs nothing but Python. The key for the API is GPU_MANAGEMENT_API_KEY.
Exit: 0 all well, 1 something is wrong, 2 misused, 3 a source does not answer.
"""

import argparse
import json
import math
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

RANGES = {
    "DCGM_FI_DEV_GPU_UTIL": (0, 100),
    "DCGM_FI_DEV_MEM_COPY_UTIL": (0, 100),
    "DCGM_FI_DEV_ENC_UTIL": (0, 100),
    "DCGM_FI_DEV_DEC_UTIL": (0, 100),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": (0, 1.001),
    "DCGM_FI_PROF_SM_ACTIVE": (0, 1.001),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": (0, 1.001),
    "DCGM_FI_PROF_DRAM_ACTIVE": (0, 1.001),
    "DCGM_FI_DEV_GPU_TEMP": (-60, 250),
    "DCGM_FI_DEV_MEMORY_TEMP": (-60, 250),
    "DCGM_FI_DEV_POWER_USAGE": (0, 2000),
    "DCGM_FI_DEV_FB_USED": (0, 1_000_000),
    "DCGM_FI_DEV_FB_FREE": (0, 1_000_000),
    "DCGM_FI_DEV_SM_CLOCK": (0, 10_000),
    "DCGM_FI_DEV_MEM_CLOCK": (0, 20_000),
}
COUNTERS = (
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
)
WANTED = ("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_POWER_USAGE")
BLANK_FROM = 9_223_372_036_854_775_792
FRESH_SECONDS = 75
MOST_APART_CELSIUS = 10
SAMPLE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+(-?\d+(?:\.\d+)?))?$")
LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Away(Exception):
    """A source does not answer."""


def read(url, key=None):
    """Return what is at an address."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - as it was told
        with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310 - as it was told
            return answer.read().decode("utf-8", "replace")
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Away(f"{url} does not answer: {error}") from error


def samples(text, problems):
    """Return (name, labels, value, time in seconds or None) of each line that is one."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = SAMPLE.match(line.strip())
        try:
            name, labels, value, at = match.groups()
            found.append(
                (name, dict(LABEL.findall(labels or "")), float(value), at and float(at) / 1000)
            )
        except (AttributeError, ValueError):
            problems.append(f"line {number} is no sample: {line[:80]}")
    return found


def check(found, problems, now):
    """Add a sentence for everything that is wrong with an exposition."""
    rows = [one for one in found if one[0].startswith("DCGM_")]
    if not rows:
        problems.append("there is no DCGM_ metric at all")
        return
    seen = set()
    for name, labels, value, at in rows:
        where = f"{name} of {labels.get('UUID', '?')}"
        check_labels(name, labels, where, problems)
        same = (name, tuple(sorted(labels.items())))
        if same in seen:
            problems.append(f"{where} is there twice with the same labels")
        seen.add(same)
        check_value(name, value, where, problems)
        if at is not None and now - at > FRESH_SECONDS:
            problems.append(f"{where} is {now - at:.0f} s old")
    whole = {labels.get("UUID") for name, labels, *_ in rows}
    for name in WANTED:
        told = {labels.get("UUID") for other, labels, *_ in rows if other == name}
        for uuid in sorted(filter(None, whole - told)):
            problems.append(f"{name} is missing for {uuid}")


def check_labels(name, labels, where, problems):
    """Add a sentence where a row does not say what it is of."""
    if not (labels.get("UUID") or labels.get("uuid") or labels.get("gpu_uuid")):
        problems.append(f"{name} has a row without UUID")
    if "gpu" not in labels and "nvlink" not in labels:
        problems.append(f"{where} has no label gpu")


def check_value(name, value, where, problems):
    """Add a sentence where a value cannot be."""
    if not math.isfinite(value):
        problems.append(f"{where} is {value}")
    elif value >= BLANK_FROM:
        problems.append(f"{where} is a blank value, printed as a number")
    elif name in RANGES and not RANGES[name][0] <= value <= RANGES[name][1]:
        low, high = RANGES[name]
        problems.append(f"{where} is {value:g}, not within {low:g} to {high:g}")


def check_counters(before, after, problems):
    """Add a sentence for each counter that fell: the driver was loaded again, or it is wrong."""
    first = {(name, tuple(sorted(labels.items()))): value for name, labels, value, _ in before}
    for name, labels, value, _ in after:
        known = first.get((name, tuple(sorted(labels.items()))))
        if name in COUNTERS and known is not None and value < known:
            problems.append(f"{name} of {labels.get('UUID', '?')} fell from {known:g} to {value:g}")


def compare(api, prometheus, problems):
    """Add a sentence for each GPU of which the API and Prometheus do not tell the same."""
    key = os.environ.get("GPU_MANAGEMENT_API_KEY")
    told = json.loads(read(f"{api}/api/v1/gpu/metrics/latest?envelope=false", key))
    devices = json.loads(read(f"{api}/api/v1/gpu/devices?envelope=false", key))
    uuids = {one["deviceId"]: one["uuid"] for one in devices}
    ours = {
        uuids.get(one["deviceId"]): one["temperatureCelsius"]
        for one in told
        if one["gpuInstanceId"] is None and one["temperatureCelsius"] is not None
    }
    query = urllib.parse.urlencode({"query": "max by (UUID) (DCGM_FI_DEV_GPU_TEMP)"})
    answer = json.loads(read(f"{prometheus}/api/v1/query?{query}"))
    theirs = {one["metric"].get("UUID"): float(one["value"][1]) for one in answer["data"]["result"]}
    for uuid in sorted(filter(None, {*ours, *theirs})):
        if uuid not in ours:
            problems.append(f"{uuid} is in Prometheus and not in the API")
        elif uuid not in theirs:
            problems.append(f"{uuid} is in the API and not in Prometheus")
        elif abs(ours[uuid] - theirs[uuid]) > MOST_APART_CELSIUS:
            problems.append(
                f"{uuid} is at {ours[uuid]:g} C in the API and at {theirs[uuid]:g} C in Prometheus"
            )
    return len({*ours, *theirs})


def main(arguments=None):
    """Check what was named."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        epilog=__doc__.split("\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("exposition", nargs="?", help="address of an exporter, or a file")
    parser.add_argument("--again", type=float, metavar="SECONDS", help="read twice")
    parser.add_argument("--api", help="address of the API")
    parser.add_argument("--prometheus", help="address of Prometheus or VictoriaMetrics")
    asked = parser.parse_args(arguments)
    if bool(asked.api) != bool(asked.prometheus) or not (asked.exposition or asked.api):
        parser.error("name an exposition, or --api and --prometheus together")
    problems = []
    try:
        if asked.exposition:
            found = exposition(asked, problems)
            print(f"{asked.exposition}: {len(found)} samples")
        if asked.api:
            count = compare(asked.api.rstrip("/"), asked.prometheus.rstrip("/"), problems)
            print(f"{count} GPUs compared")
    except Away as error:
        print(f"metrics-validation.py: {error}", file=sys.stderr)
        return 3
    for problem in problems:
        print(f"WRONG  {problem}")
    print("all well" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


def exposition(asked, problems):
    """Return the samples of an exposition, checked."""

    def text():
        if asked.exposition.startswith(("http://", "https://")):
            return read(asked.exposition)
        try:
            with open(asked.exposition, encoding="utf-8") as file:
                return file.read()
        except OSError as error:
            raise Away(str(error)) from error

    found = samples(text(), problems)
    check(found, problems, time.time())
    if asked.again:
        time.sleep(asked.again)
        check_counters(found, samples(text(), []), problems)
    return found


if __name__ == "__main__":
    sys.exit(main())
