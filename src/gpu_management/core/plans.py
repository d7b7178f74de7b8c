"""A statement in a driver's own words, made once: how values go in, and how rows come out."""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Delete, Dialect, Insert, Select, Update
from sqlalchemy.sql.compiler import SQLCompiler

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete
"""What can be planned; to be built once, at module level, because its plan is remembered."""

_Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A parameter: what is told under `name`, or always the same."""

    name: str | None
    always: Any
    convert: _Convert | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A statement with parameters by position."""

    text: str
    slots: Sequence[_Slot]
    outward: Sequence[tuple[int, _Convert]]
    row: Callable[[Iterable[Any]], Any]

    def values(self, told: Mapping[str, Any]) -> list[Any]:
        """Return what the driver is given for `told`."""
        given = []
        for slot in self.slots:
            value = slot.always if slot.name is None else told[slot.name]
            given.append(value if slot.convert is None else slot.convert(value))
        return given

    def rows(self, found: Iterable[Sequence[Any]]) -> list[Any]:
        """Return what the driver found as rows with names."""
        if not self.outward:
            return [self.row(values) for values in found]
        return [self._converted(values) for values in found]

    def _converted(self, found: Sequence[Any]) -> Any:
        values = list(found)
        for number, convert in self.outward:
            values[number] = convert(values[number])
        return self.row(values)


@lru_cache(maxsize=256)
def plan_of(statement: Statement, names: tuple[str, ...], dialect: Dialect) -> Plan:
    """Return the plan of a statement that is told these names, for a dialect by position."""
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what travels is not DDL
    always = compiled.construct_params(dict.fromkeys(names))
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    slots = [
        _slot(name, binds[name], always[name], names=names, dialect=dialect)
        for name in compiled.positiontup or ()
    ]
    columns = list(statement.exported_columns)
    outward = [
        (number, convert)
        for number, column in enumerate(columns)
        if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None))
        is not None
    ]
    shape = namedtuple("shape", [column.key for column in columns], rename=True)  # type: ignore[misc]
    return Plan(str(compiled), slots, outward, shape._make)


def _slot(
    name: str, bind: BindParameter[Any], always: Any, *, names: tuple[str, ...], dialect: Dialect
) -> _Slot:
    convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
    told = next((one for one in (bind.key, name) if one in names), None)
    if told is None:
        return _Slot(None, always if convert is None else convert(always), None)
    return _Slot(told, None, convert)


@lru_cache(maxsize=8)
def by_position(dialect: Dialect) -> Dialect:
    """Return `dialect` where parameters are numbered ($1, $2), as PostgreSQL itself has them."""
    kind: Any = type(dialect)
    numbered: Dialect = kind(paramstyle="numeric_dollar")
    return numbered
