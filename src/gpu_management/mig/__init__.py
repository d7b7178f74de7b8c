"""MIG profiles, legal placements, instances and repartition plans."""
