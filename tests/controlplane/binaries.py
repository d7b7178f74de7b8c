"""The programs of a real control plane, built from their Go modules once and kept.

`python -m tests.controlplane.binaries` builds what is missing: cold about ten minutes on two cores.
Programs in the folder `KUBEBUILDER_ASSETS` are taken as they are, so who has them builds little.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUILD = "python -m tests.controlplane.binaries"


@dataclass(frozen=True, slots=True)
class Program:
    """One program: the folder of its module, and what to build in it."""

    name: str
    module: str
    package: str


PROGRAMS = (
    Program("etcd", "etcd", "."),
    Program("kube-apiserver", "kubernetes", "./kube-apiserver"),
    Program("kube-scheduler", "kubernetes", "./kube-scheduler"),
    Program("kube-controller-manager", "kubernetes", "./kube-controller-manager"),
    Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
)


def cache_folder() -> Path:
    """Return where built programs are kept; `GPU_MANAGEMENT_TEST_CACHE` chooses another place."""
    told = os.environ.get("GPU_MANAGEMENT_TEST_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(told) if told else Path(base) / "gpu-management" / "controlplane"


def place_of(program: Program) -> Path:
    """Return the file a program is kept in; another version of its module is another file."""
    digest = sha256(usedforsecurity=False)
    folder = HERE / program.module
    for source in sorted([*folder.glob("go.*"), *folder.glob("**/*.go")]):
        digest.update(source.read_bytes())
    return cache_folder() / f"{program.name}-{digest.hexdigest()[:12]}"


def find(program: Program) -> Path | None:
    """Return the program: from `KUBEBUILDER_ASSETS`, else built before; None where it is not."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    given = Path(assets) / program.name if assets else None
    for place in (given, place_of(program)):
        if place is not None and os.access(place, os.X_OK):
            return place
    return None


def build(program: Program) -> Path:
    """Build a program with the Go tools, gently: one compiler at a time.

    Raises:
        AssertionError: there is no Go, or the build failed; its output is the message.
    """
    go = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    assert go is not None, "building a control plane needs Go 1.24 or newer"
    place = place_of(program)
    place.parent.mkdir(parents=True, exist_ok=True)
    unfinished = place.with_suffix(f".{os.getpid()}")
    command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), program.package]
    flags = f"{os.environ.get('GOFLAGS', '')} -buildvcs=false".strip()
    done = subprocess.run(
        ["nice", "-n", "10", *command],
        cwd=HERE / program.module,
        env=os.environ | {"GOFLAGS": flags, "CGO_ENABLED": "0", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    unfinished.rename(place)
    return place


def all_programs() -> Mapping[str, Path]:
    """Return every program by name; skip where one is missing, and in CI build it."""
    found = {program.name: find(program) for program in PROGRAMS}
    missing = [program for program in PROGRAMS if found[program.name] is None]
    if missing and os.environ.get("CI") != "true":
        names = ", ".join(program.name for program in missing)
        pytest.skip(f"needs {names}: run `{BUILD}` once (Go, about ten minutes)")
    for program in missing:
        found[program.name] = build(program)
    return {name: place for name, place in found.items() if place is not None}


def main() -> None:
    """Build what is missing."""
    for program in PROGRAMS:
        print(program.name, find(program) or build(program), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
