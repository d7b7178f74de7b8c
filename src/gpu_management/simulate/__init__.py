"""A whole cluster that is not there: the same protocols, no hardware."""
