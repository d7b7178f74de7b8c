// GPUManagementClient.java
@Component
public class GPUManagementClient {
    
    private final RestTemplate restTemplate;
    private final String baseUrl;
    
    public GPUManagementClient(RestTemplate restTemplate, 
                              @Value("${gpu.management.api.url}") String baseUrl) {
        this.restTemplate = restTemplate;
        this.baseUrl = baseUrl;
    }
    
    public List<GpuDeviceInfo> getGpuDevices(String nodeName) {
        String url = baseUrl + "/api/v1/gpu/devices";
        if (nodeName != null) {
            url += "?nodeName=" + nodeName;
        }
        
        ResponseEntity<List<GpuDeviceInfo>> response = restTemplate.exchange(
            url,
            HttpMethod.GET,
            null,
            new ParameterizedTypeReference<List<GpuDeviceInfo>>() {}
        );
        
        return response.getBody();
    }
    
    public GpuAllocationInfo allocateGpu(GpuAllocationRequest request) {
        String url = baseUrl + "/api/v1/gpu/allocations";
        
        HttpEntity<GpuAllocationRequest> entity = new HttpEntity<>(request);
        ResponseEntity<GpuAllocationInfo> response = restTemplate.exchange(
            url,
            HttpMethod.POST,
            entity,
            GpuAllocationInfo.class
        );
        
        return response.getBody();
    }
    
    public void releaseGpu(String allocationId) {
        String url = baseUrl + "/api/v1/gpu/allocations/" + allocationId;
        restTemplate.delete(url);
    }
    
    public GpuClusterOverview getClusterOverview() {
        String url = baseUrl + "/api/v1/gpu/overview";
        
        ResponseEntity<GpuClusterOverview> response = restTemplate.getForEntity(
            url, GpuClusterOverview.class
        );
        
        return response.getBody();
    }
}

// 사용 예시
@Service
public class MLJobService {
    
    private final GPUManagementClient gpuClient;
    
    public MLJobService(GPUManagementClient gpuClient) {
        this.gpuClient = gpuClient;
    }
    
    public String startTrainingJob(TrainingJobRequest jobRequest) {
        // GPU 할당 요청
        GpuAllocationRequest allocationRequest = GpuAllocationRequest.builder()
            .namespace("ml-training")
            .podName("training-" + UUID.randomUUID().toString().substring(0, 8))
            .workloadType("Training")
            .requiredMemoryGb(jobRequest.getRequiredMemoryGb())
            .useMig(jobRequest.isUseMig())
            .userId(jobRequest.getUserId())
            .teamId(jobRequest.getTeamId())
            .build();
        
        GpuAllocationInfo allocation = gpuClient.allocateGpu(allocationRequest);
        
        // 실제 ML 작업 실행 로직...
        
        return allocation.getAllocationId();
    }
    
    public void stopTrainingJob(String allocationId) {
        // 작업 정리 로직...
        
        // GPU 해제
        gpuClient.releaseGpu(allocationId);
    }
}
