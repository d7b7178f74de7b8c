"""Moments as whole seconds since 1970 in SQL: a sum over many rows need not make dates of them."""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class seconds_of(GenericFunction[int]):  # noqa: N801 - named as it reads in a query
    """The seconds since 1970 of a moment, fractions cut off; null stays null."""

    type = BigInteger()
    inherit_cache = True
    name = "seconds_of"


@compiles(seconds_of)
def _elsewhere(element: seconds_of, compiler: SQLCompiler, **options: Any) -> str:
    moment = compiler.process(element.clauses, **options)
    return f"CAST(FLOOR(EXTRACT(EPOCH FROM {moment})) AS BIGINT)"


@compiles(seconds_of, "sqlite")
def _on_sqlite(element: seconds_of, compiler: SQLCompiler, **options: Any) -> str:
    # Without what follows the seconds: SQLite would round .9995 up.
    moment = compiler.process(element.clauses, **options)
    return f"CAST(strftime('%s', SUBSTR({moment}, 1, 19)) AS INTEGER)"


@compiles(seconds_of, "oracle")
def _on_oracle(element: seconds_of, compiler: SQLCompiler, **options: Any) -> str:
    moment = compiler.process(element.clauses, **options)
    days = f"CAST(SYS_EXTRACT_UTC({moment}) AS DATE) - DATE '1970-01-01'"
    return f"ROUND(({days}) * 86400)"
