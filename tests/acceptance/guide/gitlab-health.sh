# 헬스 체크
health=$(curl -s "https://gpu-management.company.com/actuator/health")
status=$(echo $health | jq -r '.status')
if [ "$status" != "UP" ]; then
  echo "ERROR: Health check failed"
  exit 1
fi
echo "SUCCESS: Application health check passed"
