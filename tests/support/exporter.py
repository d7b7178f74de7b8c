"""A dcgm-exporter that is not there: two A100, of which one is cut, told over real HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_CARD = 'gpu="{0}",UUID="GPU-{0}",device="nvidia{0}",modelName="NVIDIA A100-SXM4-40GB"'
_WHOLE = _CARD.format(0) + ',hostname="n1",namespace="ml",pod="{pod}",container="main"'
_SLICE = _CARD.format(1) + ',GPU_I_PROFILE="1g.5gb",GPU_I_ID="{instance}",hostname="n1"'
_ONLY_WHOLE = {
    "DCGM_FI_DEV_GPU_UTIL": 3.0,
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": 0.0,
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": 0.0,
}
"""Series that MIG instances do not have."""
_EVERY = {
    "DCGM_FI_DEV_GPU_TEMP": 50.0,
    "DCGM_FI_DEV_POWER_USAGE": 200.0,
    "DCGM_FI_DEV_SM_CLOCK": 1410.0,
    "DCGM_FI_DEV_FB_USED": 20_000.0,
    "DCGM_FI_DEV_FB_FREE": 20_000.0,
    "DCGM_FI_DEV_XID_ERRORS": 0.0,
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.5,
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.25,
    "DCGM_FI_PROF_DRAM_ACTIVE": 0.125,
}


@dataclass(slots=True)
class Exporter:
    """What is told; a change is seen by the next scrape."""

    values: dict[str, float] = field(default_factory=lambda: _ONLY_WHOLE | _EVERY)
    address: str = ""
    lost: bool = False
    """Whether the card that is cut has fallen off the bus."""

    def text(self) -> str:
        """Return the exposition; the whole card is used by two pods, so its rows are repeated."""
        lines = []
        for name, value in self.values.items():
            lines.append(f"# TYPE {name} gauge")
            lines += [f"{name}{{{_WHOLE.format(pod=pod)}}} {value}" for pod in ("a", "b")]
            if name in _EVERY and not self.lost:
                lines += [f"{name}{{{_SLICE.format(instance=one)}}} {value}" for one in (9, 11)]
        return "\n".join([*lines, ""])


@contextmanager
def exporting() -> Iterator[Exporter]:
    """Serve an exporter on a free port until the block ends."""
    told = Exporter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = told.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Tests have enough to read."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.address = f"127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
