"""What of the API is about money: costs, the ledger, prices, budgets, statements."""

from urllib.parse import quote

from gpu_client_http import Json, Transport

_GPU = "/api/v1/gpu"
_BUDGET_FIELDS = ("amount", "action", "thresholdsPct", "note")


class Money(Transport):
    """Costs, prices, budgets and statements; `GPUManagementClient` has these methods too."""

    # Costs and the ledger they come from

    def get_cost_analysis(self, days: int = 30) -> Json:
        """Return what was spent in the last `days` days."""
        return self._object("GET", f"{_GPU}/cost/analysis", query={"days": days})

    def get_own_cost(self, days: int = 30) -> Json:
        """Return what the caller's own team spent in the last `days` days."""
        return self._object("GET", f"{_GPU}/me/cost", query={"days": days})

    def get_cost_by(self, group: str = "team", **window: object) -> list[Json]:
        """Return spending by dimensions such as `team,day`; window by days, or start and end."""
        return self._list(f"{_GPU}/cost/by", group=group, **window)

    def get_own_cost_by(self, group: str = "user", **window: object) -> list[Json]:
        """Return what the caller's own team spent, by dimensions."""
        return self._list(f"{_GPU}/me/cost/by", group=group, **window)

    def get_allocation_cost(self, allocation_id: str) -> Json:
        """Return what an allocation cost so far, and what it will cost to its end."""
        return self._object("GET", f"{_GPU}/allocations/{_segment(allocation_id)}/cost")

    def get_ledger_buckets(self, group: str = "model", **window: object) -> list[Json]:
        """Return where GPU time went: used, idle, unattributed, free, unavailable."""
        return self._list(f"{_GPU}/ledger/buckets", group=group, **window)

    def get_device_ledger(self, device_id: str, **window: object) -> Json:
        """Return what one GPU did over a window, and where its time went."""
        path = f"{_GPU}/ledger/devices/{_segment(device_id)}"
        return self._object("GET", path, query=window)

    def correct_hold(self, hold_id: int, correction: Json) -> Json:
        """Correct a hold that is over: `reason`, and what of it was wrong; both rows stay."""
        path = f"{_GPU}/ledger/holds/{hold_id}/corrections"
        return self._object("POST", path, body=correction)

    # Prices

    def list_rates(self, **filters: object) -> list[Json]:
        """Return the price book; filter by modelId, at (in force then) …."""
        return self._list(f"{_GPU}/rates", **filters)

    def set_rate(self, rate: Json) -> Json:
        """Set a price from a moment on."""
        return self._object("POST", f"{_GPU}/rates", body=rate)

    def withdraw_rate(self, rate_id: int) -> None:
        """Take back a price whose moment has not come."""
        self._call("DELETE", f"{_GPU}/rates/{rate_id}")

    def quote_rate(self, model_id: str, **about: object) -> Json:
        """Return what a card, a share or a slice costs somewhere, and by which rate."""
        return self._object("GET", f"{_GPU}/rates/quote", query={"modelId": model_id, **about})

    def list_unpriced(self) -> list[Json]:
        """Return what of the fleet has no price."""
        return self._list(f"{_GPU}/rates/unpriced")

    def calculate_rate(self, owned: Json) -> Json:
        """Return what a GPU of one's own must earn an hour, and of what parts that is made."""
        return self._object("POST", f"{_GPU}/rates/calculate", body=owned)

    # Budgets

    def list_budgets(self, **filters: object) -> list[Json]:
        """Return budgets with how they stand; filter by scope, scopeName."""
        return self._list(f"{_GPU}/budgets", **filters)

    def create_budget(self, budget: Json) -> Json:
        """Set a budget: `scope`, `scopeName`, `amount`, and what differs from the defaults."""
        return self._object("POST", f"{_GPU}/budgets", body=budget)

    def get_budget(self, budget_id: int) -> Json:
        """Return a budget, and how it stands."""
        return self._object("GET", f"{_GPU}/budgets/{budget_id}")

    def update_budget(self, budget_id: int, changes: Json) -> Json:
        """Change amount, action, thresholdsPct or note; what is not named stays.

        Raises:
            GpuApiError: status 412 where somebody else changed it meanwhile.
        """
        path = f"{_GPU}/budgets/{budget_id}"
        known = self._call("GET", path)
        found: Json = known.json()
        body = {name: found.get(name) for name in _BUDGET_FIELDS} | changes
        return self._object("PUT", path, body=body, if_match=known.headers.get("etag"))

    def delete_budget(self, budget_id: int) -> None:
        """Remove a budget with its warnings."""
        self._call("DELETE", f"{_GPU}/budgets/{budget_id}")

    def list_budget_notices(self, budget_id: int) -> list[Json]:
        """Return the warnings that were given about a budget."""
        return self._list(f"{_GPU}/budgets/{budget_id}/notices")

    # Suggestions

    def list_suggestions(self, **filters: object) -> list[Json]:
        """Return what could be saved, and what was; filter by status, type, teamId."""
        return self._list(f"{_GPU}/suggestions", **filters)

    def get_suggestion(self, suggestion_id: int) -> Json:
        """Return a suggestion with its evidence."""
        return self._object("GET", f"{_GPU}/suggestions/{suggestion_id}")

    def dismiss_suggestion(self, suggestion_id: int, note: str | None = None) -> Json:
        """Say no: the allocation is left alone from now on."""
        path = f"{_GPU}/suggestions/{suggestion_id}/dismiss"
        return self._object("POST", path, body={"note": note})

    def apply_suggestion(self, suggestion_id: int) -> Json:
        """Release the allocation and its pods now."""
        return self._object("POST", f"{_GPU}/suggestions/{suggestion_id}/apply")

    def list_idle_exemptions(self) -> list[Json]:
        """Return what is left alone although it lies idle."""
        return self._list(f"{_GPU}/suggestions/exemptions")

    def create_idle_exemption(self, exemption: Json) -> Json:
        """Leave something alone: `scope`, `scopeName`, `until`, and maybe a `note`."""
        return self._object("POST", f"{_GPU}/suggestions/exemptions", body=exemption)

    def delete_idle_exemption(self, exemption_id: int) -> None:
        """End an exemption."""
        self._call("DELETE", f"{_GPU}/suggestions/exemptions/{exemption_id}")

    # Statements

    def list_statements(self) -> list[Json]:
        """Return the months since the first use, closed or open."""
        return self._list(f"{_GPU}/statements")

    def list_own_statements(self) -> list[Json]:
        """Return the months with what the caller's own team was billed."""
        return self._list(f"{_GPU}/me/statements")

    def get_month_statement(self, month: str) -> Json:
        """Return what each team pays for a month such as 2026-03."""
        return self._object("GET", f"{_GPU}/statements/{_segment(month)}")

    def get_team_statement(self, month: str, team_id: str) -> Json:
        """Return what a team pays for a month; `unassigned` is what belongs to no team."""
        path = f"{_GPU}/statements/{_segment(month)}/{_segment(team_id)}"
        return self._object("GET", path)

    def get_statement_file(
        self, month: str, team_id: str | None = None, *, form: str = "csv", lang: str = "en"
    ) -> str:
        """Return a statement as `csv`, or as an `html` page to print in `en` or `ko`."""
        path = f"{_GPU}/statements/{_segment(month)}"
        if team_id is not None:
            path += f"/{_segment(team_id)}"
        return self._call("GET", path, query={"format": form, "lang": lang}).text

    def close_month(self, month: str) -> Json:
        """Close a month that is over, for ever; a closed one is answered as it is."""
        return self._object("POST", f"{_GPU}/billing/months/{_segment(month)}/close")


def _segment(name: str) -> str:
    return quote(name, safe="")
