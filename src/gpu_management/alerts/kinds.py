"""How alerts are sorted."""

from enum import StrEnum


class Severity(StrEnum):
    """How much it matters."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Component(StrEnum):
    """What an alert is about."""

    HARDWARE = "gpu-hardware"
    PRODUCT = "gpu-management"
    MIG = "mig-management"
    COST = "cost-management"
