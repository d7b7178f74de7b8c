package com.company.gpu;

import java.math.BigDecimal;
import java.time.LocalDateTime;

/** An allocation as a Java team would write it down from the API reference. */
public class GpuAllocationInfo {
    private String allocationId;
    public String allocatedResource;
    public String phase;
    public BigDecimal costPerHour;
    public BigDecimal totalCost;
    public LocalDateTime requestedAt;
    public LocalDateTime allocatedAt;
    public LocalDateTime expiresAt;

    public String getAllocationId() {
        return allocationId;
    }

    public void setAllocationId(String allocationId) {
        this.allocationId = allocationId;
    }
}
