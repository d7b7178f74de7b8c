"""k8s-gpu-management: the management plane for the GPUs of a Kubernetes cluster."""

__version__ = "0.1.0"
