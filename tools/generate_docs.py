"""Writes every generated page: `make docs`."""

from collections.abc import Callable
from pathlib import Path

from tools import (
    docs_api,
    docs_commands,
    docs_configuration,
    docs_database,
    docs_events,
    docs_metrics,
    docs_problems,
)

PAGES: dict[Path, Callable[[], str]] = {
    module.PAGE: module.page
    for module in (
        docs_api,
        docs_commands,
        docs_configuration,
        docs_database,
        docs_events,
        docs_metrics,
        docs_problems,
    )
}
PAGES[docs_configuration.ENV_EXAMPLE] = docs_configuration.env_example


def main() -> None:
    """Write the pages whose text changed, and name them."""
    for file, make in PAGES.items():
        text = make()
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file.name}")


if __name__ == "__main__":
    main()
