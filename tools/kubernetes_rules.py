"""Write the PrometheusRule of k8s/ and of the chart from prometheus/, which has the rules."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PLAIN = ROOT / "k8s" / "monitoring" / "prometheusrule.yaml"
CHART = ROOT / "k8s" / "helm" / "k8s-gpu-management" / "templates" / "prometheusrule.yaml"
HEADER = "# Made of prometheus/ by `python -m tools.kubernetes_rules`; do not edit.\n"


def rule_object() -> dict[str, Any]:
    """Return the object: every group of the rule files."""
    folder = ROOT / "prometheus"
    files = [folder / "gpu-management-rules.yml", *sorted((folder / "rules").glob("*.yml"))]
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "gpu-management",
            "namespace": "gpu-management",
            "labels": {"app": "k8s-gpu-management"},
        },
        "spec": {"groups": groups},
    }


def plain_text() -> str:
    """Return the manifest."""
    told = yaml.safe_dump(rule_object(), sort_keys=False, allow_unicode=True, width=100)
    return HEADER + told


def chart_text() -> str:
    """Return the chart's template: braces that are Prometheus's own are escaped."""
    return chart_of(
        plain_text().removeprefix(HEADER), "  namespace: gpu-management\n", "  namespace: {}\n"
    )


def chart_of(told: str, named: str, released: str) -> str:
    """Return a manifest as a template of the chart's monitoring.

    Braces of its own are escaped. The first `named` becomes `released`, with the namespace of the
    release for its `{}`.
    """
    escaped = re.sub(r"\{\{|\}\}", lambda found: '{{ "' + found[0] + '" }}', told)
    placed = escaped.replace(named, released.replace("{}", "{{ .Release.Namespace }}"), 1)
    return "{{- if .Values.monitoring.enabled }}\n" + placed + "{{- end }}\n"


def main() -> None:
    """Write both files."""
    PLAIN.write_text(plain_text(), encoding="utf-8")
    CHART.write_text(chart_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
