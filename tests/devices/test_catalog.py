import json
from dataclasses import replace
from importlib.resources import files

import pytest

from gpu_management.devices.catalog import (
    CatalogDamaged,
    ModelCatalog,
    catalog,
    load_models,
    match_model,
    normalize_pci_id,
    parse_models,
)
from gpu_management.mig.geometry import load_geometries

DOCUMENT = json.loads(files("gpu_management.devices").joinpath("data/models.json").read_text())


def model_id(*, pci_id: str | int | None = None, name: str | None = None) -> str | None:
    found = match_model(pci_id=pci_id, name=name)
    return found.model_id if found else None


def damaged(**changes: object) -> str:
    first, *others = DOCUMENT["models"]
    return json.dumps({**DOCUMENT, "models": [{**first, **changes}, *others]})


def test_every_model_is_found_by_its_own_names_and_pci_ids() -> None:
    for model in load_models():
        assert match_model(name=model.model_name) is model
        for alias in model.name_aliases:
            assert match_model(name=alias) is model
        if model.gfd_product_label:
            assert match_model(name=model.gfd_product_label) is model
        for pci_id in model.pci_ids:
            assert match_model(pci_id=pci_id) is model


@pytest.mark.parametrize(
    "pci_id",
    ["10de:2330", "10DE:2330", "0x10de:0x2330", "0x233010DE", "233010de", 0x233010DE,
     "10de:2330:10de:16c1", "10de:2330 (rev a1)"],
)  # fmt: skip
def test_a_pci_id_is_read_in_every_form_that_tools_print(pci_id: str | int) -> None:
    assert model_id(pci_id=pci_id) == "h100-sxm5-80gb"


@pytest.mark.parametrize("text", ["", "00000000:3B:00.0", "2330", "nonsense", None, "10de:23301"])
def test_what_is_no_pci_id_is_not_taken_for_one(text: str | None) -> None:
    assert normalize_pci_id(text) is None


def test_the_pci_id_decides_before_the_name() -> None:
    assert model_id(pci_id="10de:2335", name="NVIDIA H100 80GB HBM3") == "h200-sxm-141gb"


def test_an_unknown_pci_id_leaves_the_decision_to_the_name() -> None:
    assert model_id(pci_id="10de:ffff", name="Tesla T4") == "t4"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tesla t4", "t4"),
        ("NVIDIA T4", "t4"),
        ("NVIDIA-H100-80GB-HBM3", "h100-sxm5-80gb"),
        ("NVIDIA-H100-80GB-HBM3-SHARED", "h100-sxm5-80gb"),
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "a100-sxm4-40gb"),
        ("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb.me-SHARED", "a100-sxm4-40gb"),
        ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "a100-sxm4-40gb"),
        ("NVIDIA GH200 480GB", "gh200-96gb"),
        ("NVIDIA A100-PCIE-40GB", "a100-pcie-40gb"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
    ],
)
def test_a_name_matches_as_the_driver_or_feature_discovery_writes_it(
    name: str, expected: str
) -> None:
    assert model_id(name=name) == expected


@pytest.mark.parametrize("name", ["H100", "A100", "NVIDIA", "NVIDIA H100 80GB HBM3 X", "", None])
def test_a_part_of_a_name_matches_nothing(name: str | None) -> None:
    assert model_id(name=name) is None


def test_where_models_share_a_pci_id_the_name_decides_among_them() -> None:
    small, large = catalog().get("h100-sxm5-80gb"), catalog().get("h200-sxm-141gb")
    assert small is not None
    assert large is not None
    twin = replace(large, pci_ids=small.pci_ids)
    both = ModelCatalog([small, twin])
    assert both.match(pci_id="10de:2330", name="NVIDIA H200") is twin
    assert both.match(pci_id="10de:2330", name="NVIDIA-H100-80GB-HBM3") is small
    assert both.match(pci_id="10de:2330") is None
    assert both.match(pci_id="10de:2330", name="Tesla T4") is None


@pytest.mark.parametrize(
    ("model", "cuda", "tensor"),
    [("t4", 2560, 320), ("a100-sxm4-40gb", 6912, 432), ("h100-sxm5-80gb", 16896, 528),
     ("p100-pcie-16gb", 3584, 0), ("mi300x", None, None)],
)  # fmt: skip
def test_cores_follow_from_the_sm_count(model: str, cuda: int | None, tensor: int | None) -> None:
    facts = catalog().get(model)
    assert facts is not None
    assert (facts.cuda_cores, facts.tensor_cores) == (cuda, tensor)


def test_every_mig_model_has_its_geometry_and_its_instance_limit() -> None:
    geometries = load_geometries()
    listed = {model: key for key, geometry in geometries.items() for model in geometry.models}
    cut = {model.model_id: model for model in load_models() if model.mig_support}
    assert {name: model.mig_geometry for name, model in cut.items()} == listed
    for model in cut.values():
        most = max(profile.max_instances for profile in geometries[listed[model.model_id]].profiles)
        assert model.max_mig_instances == most


def test_the_label_not_the_driver_figure_is_what_requests_compare_with() -> None:
    facts = catalog().get("t4")
    assert facts is not None
    assert (facts.memory_gb, facts.memory_mib) == (16, 15_360)


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "{}",
        json.dumps({**DOCUMENT, "schema_version": 2}),
        json.dumps({**DOCUMENT, "models": DOCUMENT["models"] * 2}),
        damaged(memory_gb="16"),
        damaged(surprise=1),
        damaged(pci_ids=["10DE:1DB4"]),
        damaged(max_mig_instances=7),
        damaged(sources={"hearsay": ["memory_gb"]}),
        damaged(model_name="Tesla T4"),
        damaged(name_aliases=["nvidia-t4"]),
        damaged(name_aliases=["Tesla T4"]),
    ],
)
def test_damaged_facts_are_refused_loudly(document: str) -> None:
    with pytest.raises(CatalogDamaged):
        parse_models(document)
