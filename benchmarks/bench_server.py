"""The product's server with one more route: `POST /bench/row` inserts one bare row.

    python -m benchmarks.bench_server PORT DATABASE_URL [--fill]

It is the yardstick of the allocation figures: same process, same database, same durability.
"""

import sys
from datetime import datetime
from typing import Any

import uvicorn
from fastapi import APIRouter
from sqlalchemy import BigInteger, Identity, select, text
from sqlalchemy.orm import Mapped, mapped_column

from benchmarks.fleet import fill
from gpu_management.cli import wiring
from gpu_management.core.clock import utc_now
from gpu_management.core.database import Base, RowId, UtcDateTime
from gpu_management.core.garbage import settle
from gpu_management.core.http import Now, WireRoute, WriteSession
from gpu_management.core.settings_load import load
from gpu_management.devices.models import Node


class BareRow(Base):
    """One row without indexes."""

    __tablename__ = "bench_rows"

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


router = APIRouter(route_class=WireRoute)


@router.post("/bench/row")
def insert_row(session: WriteSession, now: Now) -> dict[str, Any]:
    """Insert one row and commit it before answering."""
    row = BareRow(number=1, created_at=now)
    session.add(row)
    session.flush()
    return {"id": row.id}


def main() -> None:
    """Serve until killed."""
    port, url = int(sys.argv[1]), sys.argv[2]
    flags: dict[str, object] = {"database.url": url, "server.port": port}
    process = wiring.build(load(environ={}, flags=flags).settings)
    Base.metadata.create_all(process.database.engine, tables=[Base.metadata.tables["bench_rows"]])
    with process.database.write() as session:
        if "--fill" in sys.argv and session.scalar(select(Node.id).limit(1)) is None:
            fill(session, process.settings.cluster.name, now=utc_now())
            session.execute(text("ANALYZE"))
    with process.database.read() as session:
        process.office.placer.refresh(session)
    process.app.include_router(router)
    settle()
    process.loops.start()
    uvicorn.run(process.app, host="127.0.0.1", port=port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()
