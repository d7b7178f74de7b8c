"""Facts about accelerator models, and how a device that was found is matched to one.

The facts are packaged in `data/models.json`, each with the source it came from. Matching is exact:
PCI id, then product name, then alias. Never by substring: `H100` would match four boards.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

_FORBID_EXTRA: Final = ConfigDict(extra="forbid", strict=True)

# Per SM, by compute capability: CUDA cores (FP32 lanes) and tensor cores.
# Source: NVIDIA CUDA C++ Programming Guide, "Compute Capabilities", architecture sections.
_CORES_PER_SM: Final[Mapping[str, tuple[int, int]]] = {
    "6.0": (64, 0),
    "7.0": (64, 8),
    "7.5": (64, 8),
    "8.0": (64, 4),
    "8.6": (128, 4),
    "8.9": (128, 4),
    "9.0": (128, 4),
    "10.0": (128, 4),
    "12.0": (128, 4),
}

_PCI_PAIR: Final = re.compile(r"(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4})(?:[:.\s].*)?")
_PCI_WORD: Final = re.compile(r"(?:0x)?([0-9a-f]{4})([0-9a-f]{4})")
_SHARING_SUFFIX: Final = re.compile(r"(?:-shared|-mig-(?:\d+c\.)?\d+g\.\d+gb(?:[.+-][a-z.]+)?)$")


class CatalogDamaged(Exception):
    """The packaged model facts contradict themselves or cannot be read."""


@dataclass(frozen=True, slots=True)
class ThermalLimits:
    """Temperatures at which a board is at its limit, slows down and shuts down."""

    max_operating_celsius: int | None
    slowdown_celsius: int | None
    shutdown_celsius: int | None
    memory_max_celsius: int | None


@dataclass(frozen=True, slots=True)
class NvLink:
    """A board's NVLink: generation, links, and bidirectional 10^9 bytes/s over all links."""

    generation: int | None
    links: int | None
    bandwidth_gbs_total: float | None


@dataclass(frozen=True, slots=True)
class GpuModelFacts:
    """What is known about one accelerator model; `None` means unknown.

    `memory_gb` is the label that requests are compared with, `memory_mib` what the driver reports.
    `pci_ids` are `vendor:device` in lower-case hex. `sources` maps a source to the fields that came
    from it; `unverified` names those that were never read again in a document.
    """

    __pydantic_config__ = _FORBID_EXTRA

    model_id: str
    model_name: str
    name_aliases: tuple[str, ...]
    gfd_product_label: str | None
    manufacturer: str
    architecture: str
    chip: str | None
    form_factor: str
    resource: str
    pci_ids: tuple[str, ...]
    memory_gb: int
    memory_mib: int
    memory_type: str
    memory_bandwidth_gbps: float | None
    sm_count: int | None
    compute_units: int | None
    compute_capability: str | None
    fp16_tensor_tflops: float | None
    tdp_watts: int | None
    nvlink: NvLink | None
    mig_geometry: str | None
    max_mig_instances: int
    thermal: ThermalLimits | None
    sources: Mapping[str, tuple[str, ...]] = field(hash=False)
    notes: str | None

    @property
    def mig_support(self) -> bool:
        """Say whether the board can be cut into MIG instances."""
        return self.mig_geometry is not None

    @property
    def cuda_cores(self) -> int | None:
        """Return SMs times FP32 lanes per SM; `None` for boards without CUDA."""
        return self._cores(0)

    @property
    def tensor_cores(self) -> int | None:
        """Return SMs times tensor cores per SM; `None` for boards without CUDA."""
        return self._cores(1)

    @property
    def unverified(self) -> frozenset[str]:
        """Return the fields whose value was written from memory of a data sheet."""
        return frozenset(self.sources.get("datasheet-recalled", ()))

    def _cores(self, kind: int) -> int | None:
        per_sm = _CORES_PER_SM.get(self.compute_capability or "")
        if per_sm is None or self.sm_count is None:
            return None
        return self.sm_count * per_sm[kind]


@dataclass(frozen=True, slots=True)
class _ModelsFile:
    __pydantic_config__ = _FORBID_EXTRA

    schema_version: int
    units: dict[str, str]
    source_keys: dict[str, str]
    models: tuple[GpuModelFacts, ...]


class ModelCatalog:
    """An index of models by id, PCI id, product name and alias."""

    def __init__(self, models: Sequence[GpuModelFacts]) -> None:
        """Index `models`.

        Raises:
            CatalogDamaged: two models share an id, a name or an alias.
        """
        self.models = tuple(models)
        self._by_id: dict[str, GpuModelFacts] = {}
        self._by_name: dict[str, GpuModelFacts] = {}
        self._by_alias: dict[str, GpuModelFacts] = {}
        self._by_pci: dict[str, list[GpuModelFacts]] = {}
        for model in self.models:
            self._index(model)
        taken_twice = sorted(self._by_name.keys() & self._by_alias.keys())
        if taken_twice:
            raise CatalogDamaged(f"these names are both a model's name and an alias: {taken_twice}")

    def get(self, model_id: str) -> GpuModelFacts | None:
        """Return the model with this id, or `None`."""
        return self._by_id.get(model_id)

    def match(
        self, *, pci_id: str | int | None = None, name: str | None = None
    ) -> GpuModelFacts | None:
        """Return the model of a device: by PCI id, else by exact name, else by alias.

        Where several models share the PCI id, the name decides among them. A PCI id that is
        unknown or unreadable leaves the decision to the name; nothing is ever guessed.
        """
        named = self._match_name(name)
        sharing = self._by_pci.get(normalize_pci_id(pci_id) or "", [])
        if len(sharing) > 1:
            return named if named in sharing else None
        return sharing[0] if sharing else named

    def _match_name(self, name: str | None) -> GpuModelFacts | None:
        key = normalize_name(name or "")
        return self._by_name.get(key) or self._by_alias.get(key)

    def _index(self, model: GpuModelFacts) -> None:
        _put(self._by_id, model.model_id, model)
        own_name = normalize_name(model.model_name)
        _put(self._by_name, own_name, model)
        for alias in {
            normalize_name(a) for a in (*model.name_aliases, model.gfd_product_label or "")
        }:
            if alias not in {"", own_name}:
                _put(self._by_alias, alias, model)
        for pci_id in model.pci_ids:
            if normalize_pci_id(pci_id) != pci_id:
                raise CatalogDamaged(f"{model.model_id}: '{pci_id}' is not a vendor:device PCI id")
            self._by_pci.setdefault(pci_id, []).append(model)


def normalize_name(name: str) -> str:
    """Return a product name as it is compared: no case, blanks as hyphens, no sharing suffix.

    GPU feature discovery writes blanks as `-` and appends `-MIG-<profile>` and `-SHARED`.
    """
    key = re.sub(r"[\s_-]+", "-", name.strip()).casefold()
    while (shorter := _SHARING_SUFFIX.sub("", key)) != key:
        key = shorter
    return key


def normalize_pci_id(pci_id: str | int | None) -> str | None:
    """Return `vendor:device` in lower-case hex, or `None` where the text is no PCI id.

    Reads `10DE:2330`, with or without a subsystem behind it, and NVML's `pciDeviceId`, which holds
    the device in the upper and the vendor in the lower half (`0x233010DE`).
    """
    if isinstance(pci_id, int):
        pci_id = f"{pci_id:08x}"
    text = (pci_id or "").strip().lower()
    if pair := _PCI_PAIR.fullmatch(text):
        return f"{pair[1]}:{pair[2]}"
    if word := _PCI_WORD.fullmatch(text):
        return f"{word[2]}:{word[1]}"
    return None


def parse_models(document: str | bytes) -> ModelCatalog:
    """Return the catalog in a JSON document of the packaged form.

    Raises:
        CatalogDamaged: the document is not of that form, or contradicts itself.
    """
    try:
        parsed = TypeAdapter(_ModelsFile).validate_json(document)
    except ValidationError as error:
        raise CatalogDamaged(f"the model facts cannot be read: {error}") from error
    if parsed.schema_version != 1:
        raise CatalogDamaged(f"model facts have schema version {parsed.schema_version}, not 1")
    for model in parsed.models:
        cited = {key for keys in model.sources for key in keys.split("+")}
        unknown = cited - parsed.source_keys.keys()
        if unknown:
            raise CatalogDamaged(f"{model.model_id} cites unknown sources {sorted(unknown)}")
        if model.mig_support != (model.max_mig_instances > 0):
            raise CatalogDamaged(f"{model.model_id}: MIG geometry and instance limit disagree")
    return ModelCatalog(parsed.models)


@cache
def catalog() -> ModelCatalog:
    """Return the packaged catalog, read once.

    Raises:
        CatalogDamaged: the packaged file is damaged.
    """
    return parse_models(files("gpu_management.devices").joinpath("data/models.json").read_bytes())


def load_models() -> tuple[GpuModelFacts, ...]:
    """Return every packaged model, in the order of the file."""
    return catalog().models


def match_model(
    *, pci_id: str | int | None = None, name: str | None = None
) -> GpuModelFacts | None:
    """Return the packaged model of a device; see `ModelCatalog.match`."""
    return catalog().match(pci_id=pci_id, name=name)


def _put(index: dict[str, GpuModelFacts], key: str, model: GpuModelFacts) -> None:
    other = index.setdefault(key, model)
    if other is not model:
        raise CatalogDamaged(f"'{key}' names both {other.model_id} and {model.model_id}")
