package com.company.gpu;

import java.math.BigDecimal;
import java.time.LocalDateTime;

/** A device as a Java team would write it down from the API reference. */
public class GpuDeviceInfo {
    public String deviceId;
    public String nodeName;
    public String modelId;
    public String modelName;
    public Integer memoryGb;
    public Integer deviceIndex;
    public String status;
    public boolean migEnabled;
    public BigDecimal temperature;
    public LocalDateTime registeredAt;
    public LocalDateTime installedAt;
}
