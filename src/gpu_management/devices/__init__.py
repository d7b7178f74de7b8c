"""The inventory: clusters, nodes, GPU models, GPUs, their states and health."""
