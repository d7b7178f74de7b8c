"""Through random histories of a fleet the ledger fills every window, closed or not."""

import tempfile
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlalchemy import select

from gpu_management.allocations.corrections import Correction, correct
from gpu_management.allocations.models import Hold
from gpu_management.core.clock import whole_second
from gpu_management.core.database import Database
from gpu_management.costs import closing
from gpu_management.costs import service as costs
from gpu_management.costs.capacity import buckets_by
from gpu_management.costs.closed_rows import Terms
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.costs.ledger import Buckets
from gpu_management.devices.models import Device
from gpu_management.rates.service import BookKeeper, Price, set_rate
from tests.support.history import MODELS, History, picks
from tests.support.house import prepared_database
from tests.support.principals import ADMIN

ZONE = ZoneInfo("America/New_York")


class Ledger(History):
    """The fleet's history, with prices, corrections and closed days; checked at its end."""

    def open_database(self) -> Database:
        self.folder = tempfile.TemporaryDirectory()
        return prepared_database(Path(self.folder.name))

    def teardown(self) -> None:
        try:
            self._check()
            self._close()
            self._check()
        finally:
            super().teardown()
            self.folder.cleanup()

    def _terms(self, session: object) -> Terms:
        return Terms(ZONE, BookKeeper().book(session))  # type: ignore[arg-type]

    @rule(model=st.sampled_from(MODELS), micros=st.integers(1, 10**8))
    def change_price(self, model: str, micros: int) -> None:
        with self.tried() as session:
            price = Price(model, Decimal(micros) / 1_000_000)
            set_rate(session, price, principal=ADMIN, now=self.clock())

    @rule(pick=picks, seconds=st.integers(0, 100_000))
    def correct_something(self, pick: int, seconds: int) -> None:
        with self.tried() as session:
            found = session.scalars(select(Hold).where(Hold.ended_at.is_not(None))).all()
            if found:
                wrong = found[pick % len(found)]
                told = Correction("history", ended_at=wrong.started_at + timedelta(seconds=seconds))
                correct(session, wrong.id, told, principal=ADMIN, now=self.clock())

    @rule()
    def close(self) -> None:
        self._close()

    def _close(self) -> None:
        while True:
            with self.database.write() as session:
                made = closing.close_days(session, self._terms(session), now=self.clock())
            if not made:
                return

    def _check(self) -> None:
        now = whole_second(self.clock())
        since = now - timedelta(days=400)
        with self.database.read() as session:
            terms = self._terms(session)
            raw: dict[object, int] = {}
            for piece in costs.pieces(session, terms.book, ZONE, costs.Window(since, now)):
                key = (piece.day, piece.hold.model_id)
                raw[key] = raw.get(key, 0) + piece.seconds * piece.hold.milli
            asked = Question(since, now, (Dimension.DAY, Dimension.MODEL))
            held = {
                key: sums.milli_seconds for key, sums in added_up(session, terms, asked).items()
            }
            assert held == {key: milli for key, milli in raw.items() if milli}
            whole = buckets_by(session, terms, (since, now)).get((), Buckets())
            middle = now - timedelta(days=1, seconds=4321)
            halves = [
                buckets_by(session, terms, span).get((), Buckets())
                for span in ((since, middle), (middle, now))
            ]
            assert halves[0] + halves[1] == whole
            assert whole.held == sum(held.values())
            assert min(whole.free, whole.unavailable) >= 0
            fleet = session.scalars(select(Device)).all()
            there = sum(_seconds(device, now) for device in fleet)
            # A slow clock lets a hold reach over its GPU's removal by seconds.
            assert abs(whole.total - 1000 * there) <= 60_000 * len(fleet)


def _seconds(device: Device, now: datetime) -> int:
    until = whole_second(device.removed_at or now)
    return max(0, int((min(until, now) - whole_second(device.registered_at)).total_seconds()))


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=4, stateful_step_count=25, deadline=None)
