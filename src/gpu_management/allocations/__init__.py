"""Request, placed, enforced, released: allocations and the holds behind them."""
