"""Commands that find GPU time nobody uses; they need no server."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gpu_management.cli.errors import Misused
from gpu_management.cli.output import Format, Printer
from gpu_management.cli.shell import failing_well, group


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    optimize = group("optimize", "Find GPU time that nobody uses.", inside=app)
    optimize.command("idle")(idle)


def idle(
    *,
    series: Annotated[Path, typer.Option(help="Samples, CSV with pod, ts and duty_pct, also .gz.")],
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="OUT", help="Write JSON there; - for stdout.")
    ] = None,
) -> None:
    """Predict, hour by hour, which pods will not use their GPU; and tell how often it was right."""
    with failing_well():
        found = _judge(series)
        if json_file == "-":
            Printer(Format.JSON).data(found)
            return
        if json_file is not None:
            from gpu_management.cli.local import write_json

            write_json(Path(json_file), found)
        _tell(found["totals"])


def _judge(series: Path) -> dict[str, Any]:
    from gpu_management.optimization.replay import replay
    from gpu_management.optimization.series import SeriesInvalid, read_series

    if not series.is_file():
        raise Misused(f"there is no file {series}")
    try:
        return replay(read_series(series))
    except SeriesInvalid as error:
        raise Misused(str(error)) from error


def _tell(totals: dict[str, Any]) -> None:
    printer = Printer(Format.TABLE)
    printer.pairs(
        [
            ("PODS", f"{totals['pods']:,}"),
            ("HOURS", f"{totals['cases']:,} judged, {totals['idle_actual']:,} of them idle"),
            ("PREDICTED", f"{totals['idle_predicted']:,} idle hours"),
        ]
    )
    printer.gap()
    rows = [
        ("this rule", _ratio(totals["precision"]), _ratio(totals["recall"])),
        (
            "mean of the last hour < 1 %",
            _ratio(totals["baseline"]["precision"]),
            _ratio(totals["baseline"]["recall"]),
        ),
    ]
    printer.grid([("RULE", False), ("PRECISION", True), ("RECALL", True)], rows)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
