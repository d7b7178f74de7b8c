"""Answers made of several nouns: the overview, devices and nodes as people see them."""
