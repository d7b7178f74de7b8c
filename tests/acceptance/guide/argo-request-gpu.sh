ALLOCATION_RESPONSE=$(curl -X POST \
  http://k8s-gpu-management.gpu-management.svc.cluster.local:8080/api/v1/gpu/allocations \
  -H "Content-Type: application/json" \
  -d '{
    "namespace": "{{workflow.namespace}}",
    "podName": "{{workflow.name}}-training",
    "workloadType": "Training",
    "requiredMemoryGb": 40,
    "useMig": false
  }')
echo $ALLOCATION_RESPONSE | jq -r '.data.allocationId' > /tmp/allocation-id
