package com.company.gpu;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Map;
import org.springframework.http.client.ClientHttpRequestInterceptor;
import org.springframework.web.client.RestTemplate;

/** Calls every method of the guide's client once and prints what it read as one line of JSON. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0];
        RestTemplate template = new RestTemplate();
        if (arguments.length > 1) {
            String bearer = "Bearer " + arguments[1];
            ClientHttpRequestInterceptor signs =
                (request, body, execution) -> {
                    request.getHeaders().set("Authorization", bearer);
                    return execution.execute(request, body);
                };
            template.getInterceptors().add(signs);
        }
        GPUManagementClient client = new GPUManagementClient(template, url);
        List<GpuDeviceInfo> all = client.getGpuDevices(null);
        List<GpuDeviceInfo> some = client.getGpuDevices("gpu-worker-2");
        MLJobService jobs = new MLJobService(client);
        String allocationId = jobs.startTrainingJob(new TrainingJobRequest(32, false));
        GpuAllocationInfo shown =
            template.getForObject(
                url + "/api/v1/gpu/allocations/" + allocationId, GpuAllocationInfo.class);
        GpuClusterOverview overview = client.getClusterOverview();
        jobs.stopTrainingJob(allocationId);
        Map<String, Object> read =
            Map.of(
                "devices", all.size(),
                "ofOneNode", some.size(),
                "registeredYear", all.get(0).registeredAt.getYear(),
                "allocationId", allocationId,
                "resource", shown.allocatedResource,
                "costPerHour", shown.costPerHour,
                "allocatedAt", shown.allocatedAt.toString(),
                "active", overview.activeAllocations,
                "hourlyCost", overview.hourlyCost);
        System.out.println(new ObjectMapper().writeValueAsString(read));
    }
}
