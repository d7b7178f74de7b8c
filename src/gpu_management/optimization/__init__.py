"""Suggestions to save GPU time, each with its evidence."""
