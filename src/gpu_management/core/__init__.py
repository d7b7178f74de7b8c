"""The ground: settings, database types, clock, problems, wire, http. Knows no noun."""
