"""Telling people: one file for each channel; what is told comes from events and alerts."""
