# gpu_client.py
import requests
import json
from datetime import datetime
from typing import Dict, List, Optional

class GPUManagementClient:
    def __init__(self, base_url: str, api_key: Optional[str] = None):
        self.base_url = base_url.rstrip('/')
        self.session = requests.Session()
        if api_key:
            self.session.headers.update({'Authorization': f'Bearer {api_key}'})
    
    def get_gpu_devices(self, node_name: Optional[str] = None) -> List[Dict]:
        """GPU 장비 목록 조회"""
        params = {'nodeName': node_name} if node_name else {}
        response = self.session.get(f'{self.base_url}/api/v1/gpu/devices', params=params)
        response.raise_for_status()
        return response.json()
    
    def allocate_gpu(self, allocation_request: Dict) -> Dict:
        """GPU 리소스 할당"""
        response = self.session.post(
            f'{self.base_url}/api/v1/gpu/allocations',
            json=allocation_request
        )
        response.raise_for_status()
        return response.json()
    
    def release_gpu(self, allocation_id: str) -> None:
        """GPU 리소스 해제"""
        response = self.session.delete(f'{self.base_url}/api/v1/gpu/allocations/{allocation_id}')
        response.raise_for_status()
    
    def get_cluster_overview(self) -> Dict:
        """클러스터 개요 조회"""
        response = self.session.get(f'{self.base_url}/api/v1/gpu/overview')
        response.raise_for_status()
        return response.json()
    
    def get_cost_analysis(self, days: int = 30) -> Dict:
        """비용 분석 조회"""
        response = self.session.get(
            f'{self.base_url}/api/v1/gpu/cost/analysis',
            params={'days': days}
        )
        response.raise_for_status()
        return response.json()

# 사용 예시
client = GPUManagementClient('https://gpu-management.company.com')

# GPU 장비 조회
devices = client.get_gpu_devices()
print(f"Total GPU devices: {len(devices)}")

# GPU 할당
allocation_request = {
    "namespace": "ml-training",
    "podName": "pytorch-training-job",
    "workloadType": "Training",
    "requiredMemoryGb": 32,
    "useMig": False,
    "userId": "data-scientist@company.com",
    "teamId": "ml-team"
}

allocation = client.allocate_gpu(allocation_request)
print(f"Allocated GPU: {allocation['allocatedResource']}")

# 작업 완료 후 해제
# client.release_gpu(allocation['allocationId'])
