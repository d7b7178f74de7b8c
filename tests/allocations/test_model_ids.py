"""`modelIds`: only these models will do, whatever else is free."""

import pytest

from gpu_management.allocations.errors import AllocationInvalid, GpuNotAvailable
from gpu_management.allocations.models import Phase
from tests.support.house import A100, H100, T4, V100, House


def test_only_the_named_models_are_given(house: House) -> None:
    house.node("n1", gpus=2, model=T4)
    house.node("n2", gpus=1, model=V100)
    made = house.request(model_ids=(V100,))
    assert made.resources == ["n2-GPU-00"]
    with pytest.raises(GpuNotAvailable):
        house.request(model_ids=(V100,))


def test_slices_keep_to_the_named_models(house: House) -> None:
    house.node("n1", model=A100, layout=[("1g.10gb", 0)])
    house.node("n2", model=H100, layout=[])
    made = house.request(use_mig=True, required_memory_gb=10, model_ids=(H100,))
    assert made.node_name == "n2"


def test_a_waiting_request_keeps_its_models(house: House) -> None:
    house.node("n1", gpus=1, model=V100)
    first = house.request(model_ids=(V100,))
    queued = house.request(model_ids=(V100,), wait_seconds=600)
    house.node("n2", gpus=1, model=T4)
    house.serve_queue()
    assert house.find(queued.allocation_id).phase is Phase.PENDING
    house.release(first.allocation_id)
    house.serve_queue()
    assert house.find(queued.allocation_id).resources == ["n1-GPU-00"]


def test_naming_a_model_twice_is_refused(house: House) -> None:
    with pytest.raises(AllocationInvalid, match="modelIds names a model twice"):
        house.request(model_ids=(T4, T4))
