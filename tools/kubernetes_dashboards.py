"""Write the dashboards' ConfigMap of k8s/ and of the chart from grafana/dashboards/."""

import json
from pathlib import Path
from typing import Any

from tools.kubernetes_rules import chart_of

ROOT = Path(__file__).resolve().parents[1]
DASHBOARDS = ROOT / "grafana" / "dashboards"
PLAIN = ROOT / "k8s" / "monitoring" / "grafana-dashboard.json"
CHART = ROOT / "k8s" / "helm" / "k8s-gpu-management" / "templates" / "grafana-dashboard.yaml"


def dashboards_object() -> dict[str, Any]:
    """Return the object: every dashboard is a key, with the label that Grafana's sidecar seeks."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "gpu-management-dashboards",
            "namespace": "gpu-management",
            "labels": {"app": "k8s-gpu-management", "grafana_dashboard": "1"},
            "annotations": {"grafana_folder": "GPU management"},
        },
        "data": {
            file.name: file.read_text(encoding="utf-8")
            for file in sorted(DASHBOARDS.glob("*.json"))
        },
    }


def plain_text() -> str:
    """Return the manifest."""
    return json.dumps(dashboards_object(), indent=2, ensure_ascii=False) + "\n"


def chart_text() -> str:
    """Return the chart's template: JSON is YAML as well."""
    return chart_of(plain_text(), '"namespace": "gpu-management"', '"namespace": "{}"')


def main() -> None:
    """Write both files."""
    PLAIN.write_text(plain_text(), encoding="utf-8")
    CHART.write_text(chart_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
