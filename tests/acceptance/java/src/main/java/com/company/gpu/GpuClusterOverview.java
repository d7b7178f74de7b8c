package com.company.gpu;

import java.math.BigDecimal;
import java.time.LocalDateTime;

/** The overview as a Java team would write it down from the API reference. */
public class GpuClusterOverview {
    public int totalNodes;
    public int totalDevices;
    public int activeAllocations;
    public BigDecimal hourlyCost;
    public LocalDateTime generatedAt;
}
