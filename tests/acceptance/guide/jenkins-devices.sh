curl -f http://localhost:8080/k8s-monitor/api/v1/gpu/devices
