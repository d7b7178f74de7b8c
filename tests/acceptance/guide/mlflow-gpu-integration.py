# mlflow-gpu-integration.py
import mlflow
import requests
import os

class GPUTrackingMixin:
    def __init__(self):
        self.gpu_api_base = os.getenv('GPU_MANAGEMENT_API', 
                                     'http://k8s-gpu-management.gpu-management.svc.cluster.local:8080')
        self.allocation_id = None
    
    def request_gpu(self, memory_gb=20, use_mig=True, workload_type="Training"):
        """MLflow 실험 시작 시 GPU 할당 요청"""
        payload = {
            "namespace": os.getenv('NAMESPACE', 'default'),
            "podName": f"mlflow-{mlflow.active_run().info.run_id}",
            "workloadType": workload_type,
            "requiredMemoryGb": memory_gb,
            "useMig": use_mig
        }
        
        response = requests.post(f"{self.gpu_api_base}/api/v1/gpu/allocations", 
                               json=payload)
        if response.status_code == 200:
            result = response.json()
            self.allocation_id = result['data']['allocationId']
            
            # MLflow에 GPU 정보 로깅
            mlflow.log_param("gpu_allocation_id", self.allocation_id)
            mlflow.log_param("gpu_resource", result['data']['allocatedResource'])
            mlflow.log_param("gpu_cost_per_hour", result['data']['costPerHour'])
            
            return self.allocation_id
        else:
            raise Exception(f"GPU allocation failed: {response.text}")
    
    def release_gpu(self):
        """MLflow 실험 종료 시 GPU 해제"""
        if self.allocation_id:
            response = requests.delete(f"{self.gpu_api_base}/api/v1/gpu/allocations/{self.allocation_id}")
            if response.status_code == 200:
                mlflow.log_metric("gpu_released", 1)
            else:
                mlflow.log_metric("gpu_release_failed", 1)

# 사용 예시
class GPUMLflowExperiment(GPUTrackingMixin):
    def run_training(self):
        with mlflow.start_run():
            # GPU 할당
            allocation_id = self.request_gpu(memory_gb=40, use_mig=False)
            
            try:
                # 모델 훈련 코드
                model = self.train_model()
                
                # 모델 및 메트릭 로깅
                mlflow.log_metric("accuracy", model.accuracy)
                mlflow.sklearn.log_model(model, "model")
                
            finally:
                # GPU 해제
                self.release_gpu()
