"""Rules and scrape configuration of Prometheus, judged by Prometheus."""
