"""The guide's Java client, compiled with Spring 6 RestTemplate and Jackson (ACC-09)."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.guide import need, snippet
from tests.support.server import LiveServer

pytestmark = pytest.mark.integration

PROJECT = Path(__file__).parent / "java"
PACKAGE = Path("src/main/java/com/company/gpu")
IMPORTS = """package com.company.gpu;

import java.util.List;
import java.util.UUID;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.http.HttpEntity;
import org.springframework.http.HttpMethod;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Component;
import org.springframework.stereotype.Service;
import org.springframework.web.client.RestTemplate;

"""
"""What the guide leaves out: Java wants a package, imports, and one public class a file."""


@pytest.fixture(scope="module")
def classpath(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Compile the guide's text unchanged and return what `java -cp` needs."""
    need("mvn", "java")
    folder = tmp_path_factory.mktemp("java") / "client"
    shutil.copytree(PROJECT, folder)
    client, example = snippet("GPUManagementClient.java").split("// 사용 예시")
    (folder / PACKAGE / "GPUManagementClient.java").write_text(IMPORTS + client, "utf-8")
    (folder / PACKAGE / "MLJobService.java").write_text(IMPORTS + example, "utf-8")
    goals = ["compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath.txt"]
    _maven(folder, goals)
    libraries = (folder / "classpath.txt").read_text().strip()
    return os.pathsep.join([str(folder / "target" / "classes"), libraries])


def _maven(folder: Path, goals: list[str]) -> None:
    """Run Maven offline, and with the network only where it lacks something."""
    for mode in (["-o"], []):
        done = subprocess.run(
            ["mvn", "-q", "-B", *mode, *goals],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode == 0:
            return
    raise AssertionError(done.stdout[-4000:])


def _run(classpath: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["java", "-cp", classpath, "com.company.gpu.Main", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _read(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def _is_right(read: dict[str, Any], server: LiveServer) -> None:
    assert (read["devices"], read["ofOneNode"]) == (6, 2)
    assert read["resource"].startswith("gpu-worker-1-GPU-0")
    assert read["costPerHour"] > 0
    assert read["active"] >= 1
    found = server.ask("GET", f"/api/v1/gpu/allocations/{read['allocationId']}")
    assert found["phase"] == "Released"
    assert found["allocatedAt"].startswith(read["allocatedAt"][:19])


def test_the_java_client_works_without_authentication(classpath: str, live: LiveServer) -> None:
    _is_right(_read(_run(classpath, live.url)), live)


def test_the_java_client_works_under_the_context_path(classpath: str, live: LiveServer) -> None:
    _is_right(_read(_run(classpath, f"{live.url}/k8s-monitor")), live)


def test_the_java_client_works_with_a_key(classpath: str, locked: LiveServer) -> None:
    _is_right(_read(_run(classpath, locked.url, locked.keys["admin"])), locked)


def test_the_java_client_fails_loudly_without_a_key(classpath: str, locked: LiveServer) -> None:
    done = _run(classpath, locked.url)
    assert done.returncode == 1
    assert "401" in done.stderr


def test_the_java_client_fails_loudly_without_capacity(classpath: str, empty: LiveServer) -> None:
    done = _run(classpath, empty.url)
    assert done.returncode == 1
    assert "409" in done.stderr
