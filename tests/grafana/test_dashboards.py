"""The dashboards are what is generated, and the guide's is the guide's."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.generate_grafana import DASHBOARDS, FOLDER, IMPORT, PROVISIONED, files

GUIDE = json.loads((Path(__file__).parent / "guide" / "dashboard.json").read_text())
COLUMNS = 24


def provisioned() -> list[Any]:
    return [json.loads(file.read_text()) for file in sorted(PROVISIONED.glob("*.json"))]


@pytest.mark.parametrize("file", files(), ids=lambda file: file.name)
def test_a_dashboard_is_what_is_generated(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == files()[file], "run: make grafana"


def test_no_dashboard_lies_there_that_nothing_generates() -> None:
    assert set(PROVISIONED.glob("*")) == {file for file in files() if file != IMPORT}
    assert {dashboard.uid for dashboard in DASHBOARDS} >= {
        "gpu-overview",
        "gpu-utilization",
        "mig-management",
        "cost-analysis",
        "gpu-alerts",
    }


def test_the_import_body_is_the_guides() -> None:
    assert json.loads(IMPORT.read_text()) == GUIDE


def test_the_provisioned_guide_dashboard_has_the_same_panels_without_the_legacy_kind() -> None:
    ours = json.loads((PROVISIONED / "gpu-management.json").read_text())
    theirs = GUIDE["dashboard"]
    for name in ("title", "tags", "timezone", "time", "refresh"):
        assert ours[name] == theirs[name]
    for panel, printed in zip(ours["panels"], theirs["panels"], strict=True):
        assert (panel["title"], panel["gridPos"]) == (printed["title"], printed["gridPos"])
        assert [(one["expr"], one["legendFormat"]) for one in panel["targets"]] == [
            (one["expr"], one["legendFormat"]) for one in printed["targets"]
        ]
        assert panel["type"] == {"graph": "timeseries"}.get(printed["type"], printed["type"])


def test_panels_do_not_overlap_and_stay_within_the_page() -> None:
    for dashboard in provisioned():
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= COLUMNS
            cells = {
                (place["x"] + across, place["y"] + down)
                for across in range(place["w"])
                for down in range(place["h"])
            }
            assert not cells & taken, (dashboard["title"], panel["title"])
            taken |= cells


def test_every_panel_of_ours_says_what_it_shows() -> None:
    for dashboard in provisioned():
        if dashboard["uid"] != "gpu-management":
            assert all(panel["description"] for panel in dashboard["panels"])


def test_names_of_dashboards_are_unique() -> None:
    told = provisioned()
    assert len({one["uid"] for one in told}) == len({one["title"] for one in told}) == len(told)


def test_what_is_provisioned_is_a_prometheus_and_a_folder_of_files() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning" / "datasources.yml").read_text())
    providers = yaml.safe_load((FOLDER / "provisioning" / "dashboards.yml").read_text())
    assert [one["type"] for one in sources["datasources"]] == ["prometheus"]
    assert [one["type"] for one in providers["providers"]] == ["file"]
