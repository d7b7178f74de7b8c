package com.company.gpu;

/** What the guide's example service is asked for. */
public class TrainingJobRequest {
    private final int requiredMemoryGb;
    private final boolean useMig;

    public TrainingJobRequest(int requiredMemoryGb, boolean useMig) {
        this.requiredMemoryGb = requiredMemoryGb;
        this.useMig = useMig;
    }

    public Integer getRequiredMemoryGb() {
        return requiredMemoryGb;
    }

    public boolean isUseMig() {
        return useMig;
    }

    public String getUserId() {
        return "data-scientist@company.com";
    }

    public String getTeamId() {
        return "ml-team";
    }
}
