"""`gpuctl mig plans`: plans that are kept and carried out."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gpu_management.cli.errors import Misused
from gpu_management.cli.options import Limit
from gpu_management.cli.output import col, num, when
from gpu_management.cli.paths import GPU, given, read_json, under
from gpu_management.cli.shell import Shell, command, group

PLANS = f"{GPU}/mig/plans"
COLUMNS = (
    col("PLAN", "planId"),
    col("STATE", "state"),
    num("DONE", lambda row: f"{row['position']}/{row['taskCount']}", rank=1),
    col("METHOD", "method", rank=4),
    col("MESSAGE", "message", rank=2),
    col("BY", "createdBy", rank=5),
    when("CREATED", "createdAt", rank=3),
)

PlanId = Annotated[str, typer.Argument(metavar="PLAN", help="Id, see `gpuctl mig plans list`.")]


def install(mig: typer.Typer) -> None:
    """Add the commands to `mig`."""
    plans = group("plans", "Plans that are carried out: make, approve, pause, cancel.", inside=mig)
    command(plans, "list", watchable=True)(list_plans)
    command(plans, "show", watchable=True)(show)
    command(plans, "create")(create)
    command(plans, "approve")(approve)
    command(plans, "pause")(pause)
    command(plans, "resume")(resume)
    command(plans, "cancel")(cancel)


def list_plans(
    shell: Shell,
    *,
    state: Annotated[str | None, typer.Option(help="Only in this state, such as RUNNING.")] = None,
    limit: Limit = None,
) -> None:
    """List the plans, the newest first."""
    shell.listing(PLANS, COLUMNS, empty="no plans", limit=limit, state=state)


def show(shell: Shell, plan: PlanId) -> None:
    """Show one plan with its tasks."""
    found = shell.api.get(under(PLANS, plan)).data
    if not shell.printer.is_for_people():
        shell.printer.data(found)
        return
    _tell(shell, found)


def create(
    shell: Shell,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="JSON, as POST …/mig/plan takes it.")
    ] = None,
    demand: Annotated[
        list[str] | None, typer.Option(help="PROFILE=COUNT; without it, what waits.")
    ] = None,
    movable: Annotated[
        list[str] | None, typer.Option(help="A namespace whose slices may move.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="mig-manager, dynamic, collector or ledger.")
    ] = None,
    restarts: Annotated[
        bool, typer.Option(help="Work may stop before its new slice exists, where it must.")
    ] = True,
) -> None:
    """Make a plan and keep it as a draft; nothing is changed before it is approved."""
    body: dict[str, Any] = read_json(file) if file else {}
    asked = dict(map(_wish, demand or ()))
    body |= given(demand=asked or None, movableNamespaces=movable, method=method)
    body |= {} if restarts else {"allowRestarts": False}
    made = shell.send("POST", PLANS, body)
    if not shell.printer.is_for_people():
        shell.printer.data(made)
        return
    _tell(shell, made)


def approve(shell: Shell, plan: PlanId) -> None:
    """Let a draft be carried out."""
    _act(shell, plan, "approve", "approved")


def pause(shell: Shell, plan: PlanId) -> None:
    """Begin nothing more; the devices stay held back."""
    _act(shell, plan, "pause", "paused")


def resume(shell: Shell, plan: PlanId) -> None:
    """Go on with a paused plan."""
    _act(shell, plan, "resume", "resumed")


def cancel(shell: Shell, plan: PlanId) -> None:
    """Give a plan up; one that has begun is taken back to the recorded layout."""
    _act(shell, plan, "cancel", "cancelled")


def _act(shell: Shell, plan: str, verb: str, done: str) -> None:
    told = shell.send("POST", under(PLANS, plan, verb))
    shell.printer.done(f"plan {plan} {done}: {told['state']}", told)


def _wish(text: str) -> tuple[str, int]:
    profile, _, count = text.partition("=")
    if not profile or not count.isdecimal():
        raise Misused(f"--demand is PROFILE=COUNT, such as 3g.40gb=2, not {text!r}")
    return profile, int(count)


def _tell(shell: Shell, plan: dict[str, Any]) -> None:
    shell.printer.pairs(
        [
            ("plan", plan["planId"]),
            ("state", plan["state"]),
            ("message", plan["message"] or ""),
            ("method", plan["method"]),
            ("nodes", ", ".join(plan["nodes"])),
            ("done", f"{plan['position']} of {plan['taskCount']} tasks"),
            *(
                ("window", f"{w['nodeName']}: {w['startsAt']} to {w['endsAt']}")
                for w in plan["windows"]
            ),
        ]
    )
    shell.printer.gap()
    heads = [("TASK", True), ("WHAT", False), ("WHERE", False)]
    rows = [(str(n), *_words(task)) for n, task in enumerate(plan["tasks"], start=1)]
    shell.printer.grid(heads, rows)


def _words(task: dict[str, Any]) -> tuple[str, str]:
    if task["deed"] != "cut":
        source = f"{task['from_device']}@{task['from_start']}"
        target = f"{task['to_device']}@{task['to_start']}"
        where = {"stop": source, "start": target}.get(task["deed"], f"{source} to {target}")
        return f"{task['deed']} {task['namespace']}/{task['pod_name']} ({task['profile']})", where
    layouts = [
        f"{device}: {' '.join(f'{p}@{s}' for p, s in places) or 'empty'}"
        for device, places in task["after"].items()
    ]
    return f"cut {task['node_name']}", "; ".join(layouts)
