"""Writes the dashboards of grafana/: `make grafana`."""

import json
from pathlib import Path
from typing import Any

from tools.grafana_fleet import ALERTS, COSTS, OVERVIEW
from tools.grafana_guide import GUIDE, import_body
from tools.grafana_measured import MIG, UTILIZATION
from tools.grafana_panels import as_json

FOLDER = Path(__file__).resolve().parent.parent / "grafana"
PROVISIONED = FOLDER / "dashboards"
DASHBOARDS = (OVERVIEW, UTILIZATION, MIG, COSTS, ALERTS, GUIDE)
IMPORT = FOLDER / "gpu-management-import.json"


def files() -> dict[Path, str]:
    """Return the text of every file that is made."""
    made: dict[Path, dict[str, Any]] = {
        PROVISIONED / f"{dashboard.uid}.json": as_json(dashboard) for dashboard in DASHBOARDS
    }
    made[IMPORT] = import_body()
    return {
        file: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for file, content in made.items()
    }


def main() -> None:
    """Write the files whose text changed, and name them."""
    for file, text in files().items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file.name}")


if __name__ == "__main__":
    main()
