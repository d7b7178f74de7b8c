"""Who asks for costs, and under which permission."""

from dataclasses import dataclass

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and under which permission: it limits the rows (SEC-12)."""

    principal: Principal
    permission: Permission = Permission.COST_READ
