"""Kubernetes behind one protocol: nodes, pods, resource slices and claims."""
