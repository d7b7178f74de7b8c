"""`gpuctl migrate`: bring a database to the newest revision, and say what was done."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gpu_management.cli import wiring
from gpu_management.core.clock import utc_now
from gpu_management.core.schema import DatabaseTooNew, upgrade
from gpu_management.core.settings_items import SettingsError
from gpu_management.core.settings_load import load

EXIT_USAGE = 2
EXIT_UNREACHABLE = 3


def command(
    *,
    database_url: str | None = None,
    config: Sequence[Path] = (),
    profiles: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> int:
    """Migrate and seed; return the exit code."""
    flags: dict[str, object] = {"database.url": database_url, **(settings or {})}
    try:
        loaded = load(config=config, profiles=profiles, environ=os.environ, flags=flags)
        database = wiring.open_from(loaded.settings)
        before, after = upgrade(database)
        wiring.prepare(
            database,
            loaded.settings.cluster.name,
            utc_now,
            currency=loaded.settings.billing.currency,
        )
    except SettingsError as unusable:
        sys.stderr.write("".join(f"gpuctl migrate: {line}\n" for line in unusable.problems))
        return EXIT_USAGE
    except (wiring.DatabaseUnreachable, DatabaseTooNew) as failed:
        sys.stderr.write(f"gpuctl migrate: {failed}\n")
        return EXIT_UNREACHABLE
    done = "is up to date" if before == after else f"went from {before or 'empty'} to {after}"
    sys.stdout.write(f"{loaded.settings.database.url} {done}\n")
    return 0
