"""What of the API tells people and other systems: channels, deliveries, alerts from outside."""

from gpu_client_http import Json, Transport

_BASE = "/api/v1/gpu/notifications"
_FIELDS = (
    "enabled",
    "events",
    "minSeverity",
    "teams",
    "labels",
    "recipients",
    "format",
    "quietHours",
    "maxPerMinute",
    "note",
)


class Notifications(Transport):
    """Channels and deliveries; `GPUManagementClient` has these methods too."""

    def list_notification_channels(self) -> list[Json]:
        """Return who is told, and how that goes; secrets are never shown."""
        return self._list(f"{_BASE}/channels")

    def create_notification_channel(self, channel: Json) -> Json:
        """Add a channel: `name`, `kind`, what its kind needs, and what it wants to hear of."""
        return self._object("POST", f"{_BASE}/channels", body=channel)

    def get_notification_channel(self, channel_id: int) -> Json:
        """Return one channel."""
        return self._object("GET", f"{_BASE}/channels/{channel_id}")

    def update_notification_channel(self, channel_id: int, changes: Json) -> Json:
        """Change what is named of a channel; the rest stays, its secrets too.

        Raises:
            GpuApiError: status 412 where somebody else changed it meanwhile.
        """
        path = f"{_BASE}/channels/{channel_id}"
        known = self._call("GET", path)
        found: Json = known.json()
        body = {name: found.get(name) for name in _FIELDS} | changes
        return self._object("PUT", path, body=body, if_match=known.headers.get("etag"))

    def delete_notification_channel(self, channel_id: int) -> None:
        """Remove a channel with what is still to be sent to it."""
        self._call("DELETE", f"{_BASE}/channels/{channel_id}")

    def test_notification_channel(self, channel_id: int) -> Json:
        """Put a test message before a channel; its delivery tells how that went."""
        return self._object("POST", f"{_BASE}/channels/{channel_id}/test")

    def replay_notification_channel(self, channel_id: int) -> Json:
        """Send everything again that was given up for a channel."""
        return self._object("POST", f"{_BASE}/channels/{channel_id}/replay")

    def list_notification_deliveries(self, **filters: object) -> list[Json]:
        """Return what was sent and what was not; filter by channelId, state, kind."""
        return self._list(f"{_BASE}/deliveries", **filters)

    def get_notification_delivery(self, delivery_id: int) -> Json:
        """Return one delivery, and what became of it."""
        return self._object("GET", f"{_BASE}/deliveries/{delivery_id}")

    def replay_notification_delivery(self, delivery_id: int) -> Json:
        """Send a dead delivery again, under the same id."""
        return self._object("POST", f"{_BASE}/deliveries/{delivery_id}/replay")

    def send_alertmanager_message(self, message: Json) -> Json:
        """Hand in alerts as an Alertmanager does."""
        return self._object("POST", f"{_BASE}/alertmanager", body=message)
