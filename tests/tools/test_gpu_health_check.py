"""`tools/gpu-health-check.sh`: a node's verdict in one line and one exit code (TOOL-03)."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.exporter import exporting
from tests.support.server import ROOT, LiveServer

SCRIPT = ROOT / "tools" / "gpu-health-check.sh"
WELL, PROBLEM, UNKNOWN, MISUSED = range(4)
CARDS = "0, GPU-aaaa, 41, 0\n1, GPU-bbbb, 43, 0\n"
COOL = "0, Not Active, Not Active\n1, Not Active, Not Active\n"
ROWS = "GPU-aaaa, 0\nGPU-bbbb, 0\n"
SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]


class Node:
    """A machine whose driver says what a test wants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.says(CARDS)

    def says(self, cards: str, *, heat: str = COOL, rows: str = ROWS, status: int = 0) -> None:
        """Put a fake nvidia-smi in place; old drivers know no field of clocks events."""
        for name, text in {"cards": cards, "heat": heat, "rows": rows}.items():
            (self.folder / name).write_text(text)
        program = self.folder / "nvidia-smi"
        program.write_text(
            "#!/bin/sh\n"
            f"cd {self.folder}\n"
            'case "$*" in\n'
            "  *clocks_event_reasons*) echo 'Field is not a valid field to query.'; exit 2 ;;\n"
            "  *clocks_throttle_reasons*) cat heat ;;\n"
            "  *query-remapped-rows*) cat rows ;;\n"
            f"  *) cat cards; exit {status} ;;\n"
            "esac\n"
        )
        program.chmod(0o755)

    def check(self, *options: str, shell: str = "sh", **environ: str) -> tuple[int, str, str]:
        """Run the script; return exit code, the line, and what else it says."""
        path = os.pathsep.join([str(self.folder), os.environ["PATH"]])
        done = subprocess.run(
            [shell, str(SCRIPT), *options],
            env={"PATH": path, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            input="",
        )
        return done.returncode, done.stdout.rstrip("\n"), done.stderr


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_node_that_is_well_ends_with_0(node: Node, shell: str) -> None:
    assert node.check(shell=shell) == (WELL, "well: 2 GPUs", "")


@pytest.mark.parametrize(
    ("cards", "status", "line"),
    [
        (
            "0, GPU-aaaa, 41, 0\nUnable to determine the device handle: GPU is lost\n",
            15,
            "problem: driver: a GPU has fallen off the bus",
        ),
        ("NVIDIA-SMI has failed\n", 9, "problem: driver: nvidia-smi fails (9)"),
    ],
)
def test_a_driver_that_fails_is_a_problem(node: Node, cards: str, status: int, line: str) -> None:
    node.says(cards, status=status)
    assert node.check()[:2] == (PROBLEM, line)


def test_a_driver_that_hangs_is_a_problem(node: Node) -> None:
    (node.folder / "timeout").write_text("#!/bin/sh\nexit 124\n")
    (node.folder / "timeout").chmod(0o755)
    assert node.check()[:2] == (PROBLEM, "problem: driver: nvidia-smi hangs")


def test_a_missing_gpu_is_a_problem_where_it_is_expected(node: Node) -> None:
    assert node.check("--expect", "2")[0] == WELL
    assert node.check("--expect", "8")[:2] == (PROBLEM, "problem: 2 of 8 GPUs are there")


def test_rows_that_cannot_be_replaced_are_a_problem(node: Node) -> None:
    node.says(CARDS, rows="GPU-aaaa, 0\nGPU-bbbb, Yes\n")
    assert node.check()[:2] == (PROBLEM, "problem: GPU 1: no spare memory rows")


def test_heat_is_only_suspect(node: Node) -> None:
    node.says("0, GPU-aaaa, 91, 3\n", heat="0, Active, Not Active\n")
    code, line, told = node.check("--verbose")
    assert code == WELL
    assert line == "well, but suspect: GPU 0: 91 C (+2 more)"
    assert told.splitlines() == [
        "suspect: GPU 0: 91 C",
        "suspect: GPU 0: 3 double-bit errors",
        "suspect: GPU 0: clocks lowered by heat",
    ]
    assert node.check("--strict")[:2] == (PROBLEM, "problem: GPU 0: 91 C (+2 more)")
    assert node.check("--hot", "95")[1] == (
        "well, but suspect: GPU 0: 3 double-bit errors (+1 more)"
    )


def test_what_a_driver_does_not_support_is_no_finding(node: Node) -> None:
    node.says("0, GPU-aaaa, [N/A], [N/A]\n", heat="0, [N/A], [N/A]\n", rows="")
    assert node.check()[:2] == (WELL, "well: 1 GPUs")


def test_without_a_driver_nothing_is_known(node: Node) -> None:
    (node.folder / "nvidia-smi").unlink()
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has GPUs")
    assert node.check()[:2] == (UNKNOWN, "unknown: driver: nvidia-smi is not here")


def test_an_exporter_is_read_over_http(node: Node) -> None:
    with exporting() as exporter:
        url = f"http://{exporter.address}/metrics"
        assert node.check("--metrics", url)[:2] == (WELL, "well: 2 GPUs")
        exporter.values["DCGM_FI_DEV_XID_ERRORS"] = 79.0
        assert node.check("--metrics", url)[:2] == (PROBLEM, "problem: GPU 0: XID 79 (+1 more)")
        exporter.values["DCGM_FI_DEV_XID_ERRORS"] = 31.0
        assert node.check("--metrics", url)[0] == WELL
    code, line, _ = node.check("--metrics", url)
    assert (code, line.startswith("unknown: exporter: does not answer")) == (UNKNOWN, True)


def test_only_the_gpus_of_the_node_count(node: Node) -> None:
    row = 'DCGM_FI_DEV_XID_ERRORS{{gpu="{0}",UUID="GPU-{0}",hostname="n{0}",pod="{1}"}} {2}\n'
    file = node.folder / "scrape.prom"
    # A pod may be called anything; a name with the text of other labels is still a name.
    hostile = r"x\",gpu=\"7\",hostname=\"n2\"} 79"
    file.write_text(row.format(1, hostile, 0) + row.format(2, "b", 48))
    assert node.check("--metrics", str(file), "--node", "n1")[:2] == (WELL, "well: 1 GPUs")
    assert node.check("--metrics", str(file), "--node", "n2")[0] == PROBLEM
    assert node.check("--metrics", str(file), "--node", "n3")[0] == UNKNOWN


def test_blank_values_of_old_exporters_are_no_errors(node: Node) -> None:
    file = node.folder / "scrape.prom"
    file.write_text('DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{gpu="0",UUID="GPU-a"} 9223372036854775794\n')
    assert node.check("--metrics", str(file))[:2] == (WELL, "well: 1 GPUs")


def test_the_faulty_node_of_the_samples_is_found_out(node: Node) -> None:
    folder = ROOT.parent / "shared" / "data" / "dcgm"
    if not folder.is_dir():
        pytest.skip("the samples of expositions are not here")
    codes = {file.stem: node.check("--metrics", str(file))[0] for file in folder.glob("*.prom")}
    assert codes == {"a100-mixed-mig-node": WELL, "h100-node": WELL, "faulty-node": PROBLEM}


def test_errors_are_found_in_the_log_of_the_kernel(node: Node) -> None:
    log = node.folder / "kernel.log"
    log.write_text("[1.0] NVRM: Xid (PCI:0000:3b:00): 13, pid=7, Graphics Exception\n")
    assert node.check("--kernel-log", str(log))[:2] == (WELL, "well: no errors in the log")
    log.write_text("[1.0] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n")
    assert node.check("--kernel-log", str(log))[:2] == (PROBLEM, "problem: 0000:3b:00: XID 79")


def test_the_worst_of_several_sources_counts(node: Node) -> None:
    log = node.folder / "kernel.log"
    log.write_text("NVRM: Xid (PCI:0000:3b:00): 63, row remapper\n")
    assert node.check("--nvidia-smi", "--kernel-log", str(log))[:2] == (
        WELL,
        "well, but suspect: 0000:3b:00: XID 63",
    )
    node.says("", status=9)
    assert node.check("--nvidia-smi", "--kernel-log", str(log))[0] == PROBLEM


def test_the_server_is_asked_for_the_states_of_a_nodes_gpus(node: Node, live: LiveServer) -> None:
    asked = ("--api", live.url, "--node", "gpu-worker-2")
    assert node.check(*asked, "--expect", "2")[:2] == (WELL, "well: 2 GPUs")
    device = "/api/v1/gpu/devices/gpu-worker-2-GPU-01/state"
    live.ask("POST", device, {"state": "FAILED", "reason": 'XID 79, "gone"'})
    try:
        assert node.check(*asked)[:2] == (PROBLEM, "problem: GPU 01: is FAILED")
        assert node.check("--api", live.url, "--node", "gpu-worker-1")[0] == WELL
    finally:
        live.ask("POST", device, {"state": "READY", "reason": "reset"})
    assert node.check("--api", live.url, "--node", "nobody")[:2] == (
        UNKNOWN,
        "unknown: server: knows no GPU of nobody",
    )


def test_the_server_wants_a_key_and_nobody_else_sees_it(node: Node, locked: LiveServer) -> None:
    asked = ("--api", locked.url, "--node", "gpu-worker-2")
    assert node.check(*asked)[0] == UNKNOWN
    key = locked.keys["admin"]
    code, line, told = node.check(*asked, "--verbose", GPU_MANAGEMENT_API_KEY=key)
    assert (code, line) == (WELL, "well: 2 GPUs")
    assert key not in told


def test_a_detector_can_show_the_whole_line(node: Node) -> None:
    rows = "".join(
        f'DCGM_FI_DEV_XID_ERRORS{{gpu="{"9" * 70}{index}",UUID="GPU-{index}"}} 79\n'
        for index in range(12)
    )
    (node.folder / "scrape.prom").write_text(rows)
    _, line, _ = node.check("--metrics", str(node.folder / "scrape.prom"))
    assert len(line.encode()) <= 80
    assert line.endswith("(+11 more)")


@pytest.mark.parametrize(
    "options",
    [
        ["--what", "x"],
        ["--expect", "-1"],
        ["--hot"],
        ["--api", "http://x"],
        ["--node", "a b"],
        ["--metrics", "/nowhere/at/all"],
    ],
)
def test_wrong_usage_ends_with_3(node: Node, options: list[str]) -> None:
    code, line, told = node.check(*options)
    assert (code, line) == (MISUSED, "")
    assert told.startswith("gpu-health-check.sh: ")


def test_the_same_errors_count_as_in_the_alert() -> None:
    alerts = yaml.safe_load((ROOT / "prometheus" / "rules" / "gpu-alerts.yml").read_text("utf-8"))
    rules = {rule["alert"]: rule["expr"] for group in alerts["groups"] for rule in group["rules"]}
    wanted = set(re.findall(r"code == (\d+)", rules["GPUHardwareError"]))
    lists = re.findall(r'^\w+_xids="([\d ]+)"$', SCRIPT.read_text("utf-8"), re.MULTILINE)
    told = [code for found in lists for code in found.split()]
    assert set(told) == wanted
    assert len(told) == len(wanted)


def test_shellcheck_has_nothing_to_say() -> None:
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run([program, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
