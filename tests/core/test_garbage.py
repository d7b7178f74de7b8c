import subprocess
import sys


def test_what_is_loaded_is_left_out_of_later_passes() -> None:
    told = (
        "import gc\n"
        "from gpu_management.core.garbage import settle\n"
        "before = len(gc.get_objects())\n"
        "settle()\n"
        "assert gc.get_freeze_count() > 0.9 * before\n"
        "assert gc.get_threshold()[0] >= 10_000\n"
        "ring = []; ring.append(ring); del ring\n"
        "assert gc.isenabled() and gc.collect() >= 1\n"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
