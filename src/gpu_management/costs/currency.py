"""One database keeps money of one currency: starting with another is refused, not converted."""

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold
from gpu_management.costs.models import BillingMonth
from gpu_management.rates.models import LIST_PRICE, Rate
from gpu_management.rates.pricing import LIST_CURRENCY


class OtherCurrency(Exception):
    """The amounts of this database are of another currency than the settings say."""


def settle(session: Session, currency: str) -> None:
    """Make sure that the amounts of the database may be read as `currency`.

    Packaged list prices are dollars: for another currency they are taken out of a book that
    nothing was held under yet; what they priced is unpriced until somebody sets a price.

    Raises:
        OtherCurrency: months were closed, or GPUs held, at prices of another currency.
    """
    billed = sorted(set(session.scalars(select(BillingMonth.currency).distinct())) - {currency})
    if billed:
        raise OtherCurrency(
            f"months of this database were closed in {', '.join(billed)}; amounts are not"
            f" converted, so set it back, or begin a new database for {currency}"
        )
    if currency == LIST_CURRENCY or not session.scalar(
        select(exists().where(Rate.source == LIST_PRICE))
    ):
        return
    if session.scalar(select(exists().where(Hold.id.is_not(None)))):
        raise OtherCurrency(
            f"GPUs of this database were held at list prices in {LIST_CURRENCY}; amounts are not"
            f" converted, so set it back, or begin a new database for {currency}"
        )
    session.execute(delete(Rate).where(Rate.source == LIST_PRICE))
