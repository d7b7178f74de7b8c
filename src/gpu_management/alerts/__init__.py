"""Alerts: rules over what is measured and counted, their state, and who has seen them."""
