# GPU 장비 검증
response=$(curl -s "https://gpu-management.company.com/api/v1/gpu/devices")
device_count=$(echo $response | jq '.data | length')
if [ "$device_count" -lt 1 ]; then
  echo "ERROR: No GPU devices detected"
  exit 1
fi
echo "SUCCESS: $device_count GPU devices detected"
