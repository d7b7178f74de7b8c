"""Writes the OpenAPI document of the assembled product to a file: the dashboard's types."""

import sys
from pathlib import Path

import orjson

from tools.docs_product import facts


def main(file: Path) -> None:
    """Write the document to `file` unless it says the same already."""
    text = orjson.dumps(facts().openapi, option=orjson.OPT_INDENT_2)
    if not file.exists() or file.read_bytes() != text:
        file.write_bytes(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
