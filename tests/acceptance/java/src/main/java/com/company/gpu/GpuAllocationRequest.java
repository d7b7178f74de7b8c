package com.company.gpu;

/** The seven fields of the guide, with the builder that its example calls. */
public class GpuAllocationRequest {
    public String namespace;
    public String podName;
    public String workloadType;
    public Integer requiredMemoryGb;
    public boolean useMig;
    public String userId;
    public String teamId;

    public static Builder builder() {
        return new Builder();
    }

    /** Fills a request field by field. */
    public static class Builder {
        private final GpuAllocationRequest made = new GpuAllocationRequest();

        public Builder namespace(String value) {
            made.namespace = value;
            return this;
        }

        public Builder podName(String value) {
            made.podName = value;
            return this;
        }

        public Builder workloadType(String value) {
            made.workloadType = value;
            return this;
        }

        public Builder requiredMemoryGb(Integer value) {
            made.requiredMemoryGb = value;
            return this;
        }

        public Builder useMig(boolean value) {
            made.useMig = value;
            return this;
        }

        public Builder userId(String value) {
            made.userId = value;
            return this;
        }

        public Builder teamId(String value) {
            made.teamId = value;
            return this;
        }

        public GpuAllocationRequest build() {
            return made;
        }
    }
}
