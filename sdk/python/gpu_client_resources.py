"""The cluster's ordinary CPU and memory."""

from gpu_client_http import Json, Transport

_RESOURCES = "/api/v1/resources"


class Resources(Transport):
    """CPU and memory by node, pod and namespace; `GPUManagementClient` has these methods too."""

    def list_node_resources(self, **filters: object) -> list[Json]:
        """Return nodes: what they have, what pods ask for, what is used."""
        return self._list(f"{_RESOURCES}/nodes", **filters)

    def list_pod_resources(self, **filters: object) -> list[Json]:
        """Return pods that wait or run: what they ask for and use; filter by namespace …."""
        return self._list(f"{_RESOURCES}/pods", **filters)

    def list_namespace_resources(self) -> list[Json]:
        """Return namespaces: what their pods ask for, use and waste."""
        return self._list(f"{_RESOURCES}/namespaces")

    def get_resource_summary(self) -> Json:
        """Return totals, shares in use, namespaces, and what could be better."""
        return self._object("GET", f"{_RESOURCES}/summary")
