"""How much of the fleet a team may hold at once. Pure."""

from gpu_management.auth.errors import QuotaExceeded

MILLI_PER_GPU = 1000


def check_team(limit_milli: int | None, *, team: str, held_milli: int, asked_milli: int) -> None:
    """Let a team that holds `held_milli` take `asked_milli` more; no limit lets everything pass.

    Raises:
        QuotaExceeded: the sum passes the limit; the facts carry the numbers in milli-GPU.
    """
    if limit_milli is None or held_milli + asked_milli <= limit_milli:
        return
    raise QuotaExceeded(
        f"team {team} may hold {_gpus(limit_milli)} GPU and holds {_gpus(held_milli)}; "
        f"{_gpus(asked_milli)} more would pass that",
        limitMilli=limit_milli,
        heldMilli=held_milli,
        askedMilli=asked_milli,
    )


def _gpus(milli: int) -> str:
    return f"{milli / MILLI_PER_GPU:g}"
