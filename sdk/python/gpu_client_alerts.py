"""The part of the client that is about health and alerts; `gpu_client` is what to import."""

from collections.abc import Sequence
from urllib.parse import quote

from gpu_client_http import Json, Transport

_ALERTS = "/api/v1/gpu/alerts"
_SILENCES = f"{_ALERTS}/silences"


class Alerts(Transport):
    """Alerts, silences, and the health of GPUs."""

    def list_alerts(self, **filters: object) -> list[Json]:
        """Return open alerts; filter by status, severity, alertType, deviceId, nodeName, since."""
        return self._list(_ALERTS, **filters)

    def get_alert(self, alert_id: str) -> Json:
        """Return one alert, open or over."""
        return self._object("GET", f"{_ALERTS}/{quote(alert_id, safe='')}")

    def acknowledge_alert(self, alert_id: str, comment: str | None = None) -> Json:
        """Take an alert on: it is not told of again, until it ends."""
        path = f"{_ALERTS}/{quote(alert_id, safe='')}/acknowledge"
        return self._object("POST", path, body={"comment": comment})

    def list_alert_rules(self) -> list[Json]:
        """Return the rules with their thresholds, and how many alerts each has."""
        return self._list(f"{_ALERTS}/rules")

    def list_silences(self, *, over: bool = False) -> list[Json]:
        """Return silences that are not over, or those that are."""
        return self._list(_SILENCES, over=str(over).lower())

    def get_silence(self, silence_id: str) -> Json:
        """Return one silence."""
        return self._object("GET", f"{_SILENCES}/{quote(silence_id, safe='')}")

    def create_silence(self, matchers: Sequence[Json], ends_at: str, comment: str) -> Json:
        """Tell nobody of alerts that match: `[{"name", "operator", "value"}]`, until `ends_at`."""
        body = {"matchers": list(matchers), "endsAt": ends_at, "comment": comment}
        return self._object("POST", _SILENCES, body=body)

    def update_silence(self, silence_id: str, silence: Json) -> Json:
        """Write a silence anew."""
        return self._object("PUT", f"{_SILENCES}/{quote(silence_id, safe='')}", body=silence)

    def end_silence(self, silence_id: str) -> Json:
        """End a silence now."""
        return self._object("DELETE", f"{_SILENCES}/{quote(silence_id, safe='')}")

    def list_device_health(self, verdict: str | None = None) -> list[Json]:
        """Return what sensors and errors say about each GPU, the gravest first."""
        return self._list("/api/v1/gpu/metrics/health", verdict=verdict)
