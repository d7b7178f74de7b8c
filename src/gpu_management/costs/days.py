"""Days of the billing time zone, as moments in UTC; with daylight saving they last 23 to 25 h."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment a day begins in `zone`."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def next_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment the day after begins in `zone`."""
    return day_start(day + timedelta(days=1), zone)
