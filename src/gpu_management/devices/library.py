"""The models we know: the packaged catalogue, and what administrators add to it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from gpu_management.core.problems import FieldError
from gpu_management.core.text import nearest
from gpu_management.devices import catalog
from gpu_management.devices.errors import DeviceExists, DeviceInvalid, ModelNotFound
from gpu_management.devices.models import Model


def seed_catalog(session: Session) -> int:
    """Write the packaged models that the database does not have yet; return how many."""
    known = set(session.scalars(select(Model.model_id)))
    new = [facts for facts in catalog.load_models() if facts.model_id not in known]
    if new:
        session.execute(insert(Model), [_catalog_row(facts) for facts in new])
    return len(new)


def _catalog_row(facts: catalog.GpuModelFacts) -> dict[str, object]:
    same = (
        "model_id",
        "model_name",
        "manufacturer",
        "architecture",
        "memory_gb",
        "memory_mib",
        "memory_type",
        "memory_bandwidth_gbps",
        "cuda_cores",
        "tensor_cores",
        "compute_capability",
        "tdp_watts",
        "mig_geometry",
        "max_mig_instances",
    )
    row = {name: getattr(facts, name) for name in same}
    return row | {
        "pci_ids": list(facts.pci_ids),
        "name_aliases": list(facts.name_aliases),
        "end_of_life": None,
        "is_catalog": True,
    }


def find_model(session: Session, model_id: str) -> Model:
    """Return the model.

    Raises:
        ModelNotFound: no such id; the nearest one is named.
    """
    model = session.get(Model, model_id)
    if model is None:
        hint = nearest(model_id, session.scalars(select(Model.model_id)).all())
        help_text = f"; did you mean {hint}?" if hint else ""
        raise ModelNotFound(f"no GPU model has the id {model_id}{help_text}")
    return model


def add_model(session: Session, facts: Mapping[str, Any]) -> Model:
    """Add a model that the catalogue does not have.

    Raises:
        DeviceExists: the id is taken.
    """
    if session.get(Model, facts["model_id"]) is not None:
        raise DeviceExists(f"there is a model {facts['model_id']} already; choose another id")
    unknown = dict.fromkeys(
        (
            "memory_type",
            "memory_bandwidth_gbps",
            "cuda_cores",
            "tensor_cores",
            "compute_capability",
            "mig_geometry",
            "end_of_life",
        )
    )
    fixed = {"max_mig_instances": 0, "pci_ids": [], "name_aliases": [], "is_catalog": False}
    model = Model(**unknown, **fixed, **facts)
    session.add(model)
    session.flush()
    return model


def match_model(
    session: Session, model_id: str | None, *, pci_id: str | None, name: str | None
) -> Model:
    """Return the model that was told by id, or matches by PCI id or exact name.

    Raises:
        ModelNotFound: there is no model of that id.
        DeviceInvalid: nothing matches.
    """
    if model_id is not None:
        return find_model(session, model_id)
    found = catalog.match_model(pci_id=pci_id, name=name)
    if found is not None:
        return find_model(session, found.model_id)
    own = select(Model).where(Model.model_name == name)
    model = session.scalars(own).first() if name else None
    if model is not None:
        return model
    asked = name or pci_id or "nothing"
    message = (
        f"no model matches {asked}: give modelId, or the exact product name as nvidia-smi shows it"
    )
    field = "modelName" if name else "modelId"
    raise DeviceInvalid(message, errors=[FieldError(field, "known-model", message, asked)])
