"""The process that runs the loops: timers now, watches and reconciliation with a cluster."""
