"""Dashboards for Grafana, judged by the data that they would show."""
