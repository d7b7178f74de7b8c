"""Read the files of the placement benchmark; a bad one is refused with its name and line."""

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar

from gpu_management.allocations.candidates import Request
from gpu_management.allocations.fleet import WHOLE_MILLI

_FIRST_DATA_LINE = 2
_GZIP_MAGIC = b"\x1f\x8b"

Parsed = TypeVar("Parsed")


class PlacementFileInvalid(ValueError):
    """A file of the benchmark cannot be used; the message names file, line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the cluster; its GPUs are all of one model."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    model: str


def read_nodes(path: Path) -> list[Node]:
    """Return the nodes, in the order of the file.

    Raises:
        PlacementFileInvalid: unreadable, a column is missing, a number is none, a name repeats.
    """
    columns = ("sn", "cpu_milli", "memory_mib", "gpu", "model")
    nodes = parse_rows(path, columns, _node)
    if len({node.name for node in nodes}) != len(nodes):
        raise PlacementFileInvalid(f"{path.name}: a node name occurs twice")
    if not any(node.gpus for node in nodes):
        raise PlacementFileInvalid(f"{path.name}: no node has a GPU")
    return nodes


def read_pods(path: Path) -> list[Request]:
    """Return what the pods ask for, in the order of the file; `gpu_spec` may be missing.

    Raises:
        PlacementFileInvalid: unreadable, a column is missing, a number is none or out of range.
    """
    return parse_rows(path, ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli"), _pod)


def read_arrivals(path: Path, seed: int, *, pods: int) -> list[int]:
    """Return the rows of the pod list in the order of arrival.

    Raises:
        PlacementFileInvalid: unreadable, the seed is not in it, or a row is not in the pod list.
    """
    order = _of_seed(path, seed, column="pod_row")
    if max(order) >= pods or min(order) < 0:
        raise PlacementFileInvalid(
            f"{path.name}: seed {seed} names pod row {max(order)}, the pod list has {pods} rows"
        )
    return order


def read_ranks(path: Path, seed: int, *, nodes: int) -> list[int]:
    """Return the rank of each node, by which ties are broken.

    Raises:
        PlacementFileInvalid: unreadable, or not one rank for each node.
    """
    ranks = _of_seed(path, seed, column="rank")
    if len(ranks) != nodes:
        raise PlacementFileInvalid(
            f"{path.name}: seed {seed} has {len(ranks)} ranks for {nodes} nodes"
        )
    return ranks


def _of_seed(path: Path, seed: int, *, column: str) -> list[int]:
    rows = parse_rows(path, ("seed", column), lambda row: (int(row["seed"]), int(row[column])))
    found = [value for its_seed, value in rows if its_seed == seed]
    if not found:
        seeds = sorted({its_seed for its_seed, _ in rows})
        known = f"{seeds[0]} to {seeds[-1]}" if seeds else "none"
        raise PlacementFileInvalid(f"{path.name}: no line for seed {seed}; seeds: {known}")
    return found


def _node(row: Mapping[str, str]) -> Node:
    node = Node(
        name=row["sn"],
        cpu_milli=int(row["cpu_milli"]),
        memory_mib=int(row["memory_mib"]),
        gpus=int(row["gpu"]),
        model=row["model"],
    )
    if min(node.cpu_milli, node.memory_mib, node.gpus) < 0:
        raise ValueError("a negative number")
    return node


def _pod(row: Mapping[str, str]) -> Request:
    gpus = int(row["num_gpu"])
    spec = (row.get("gpu_spec") or "").strip()
    models = frozenset(name.strip() for name in spec.split("|") if name.strip())
    return Request(
        gpus=gpus,
        milli=int(row["gpu_milli"]) if gpus else WHOLE_MILLI,
        cpu_milli=int(row["cpu_milli"]),
        memory_mib=int(row["memory_mib"]),
        models=models if gpus and models else None,
    )


def parse_rows(
    path: Path, columns: Sequence[str], parse: Callable[[Mapping[str, str]], Parsed]
) -> list[Parsed]:
    """Return every row of a CSV file as `parse` reads it.

    Raises:
        PlacementFileInvalid: unreadable, a column is missing, no rows, or `parse` refused one.
    """
    parsed: list[Parsed] = []
    for line, row in enumerate(_rows(path, columns), start=_FIRST_DATA_LINE):
        try:
            parsed.append(parse(row))
        except (TypeError, ValueError) as wrong:
            raise PlacementFileInvalid(f"{path.name} line {line}: {wrong}") from wrong
    if not parsed:
        raise PlacementFileInvalid(f"{path.name}: no rows")
    return parsed


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Mapping[str, str]]:
    try:
        with _open(path) as lines:
            reader = csv.DictReader(lines)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise PlacementFileInvalid(f"{path.name}: no column {', '.join(sorted(missing))}")
            yield from reader
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as wrong:
        raise PlacementFileInvalid(f"{path.name}: cannot be read: {wrong}") from wrong


def _open(path: Path) -> TextIO:
    """Open a text file, compressed or not; what it is shows in its first bytes."""
    with path.open("rb") as head:
        is_compressed = head.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    if is_compressed:
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")
