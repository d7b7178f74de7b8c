"""The words of printed statements, in each language."""

LANGUAGES = ("en", "ko")

_WORDS = (
    ("title", "GPU statement", "GPU 사용 명세서"),
    ("overview", "GPU chargeback", "GPU 비용 배분"),
    ("month", "Month", "청구 월"),
    ("team", "Team", "팀"),
    ("period", "Period", "기간"),
    ("currency", "Currency", "통화"),
    ("total", "Total", "합계"),
    ("exactly", "exactly", "정확한 금액"),
    ("usage", "Use of this month", "당월 사용"),
    ("adjustments", "Adjustments of earlier months", "이전 월 조정"),
    ("adjustments_short", "Adjustments", "조정"),
    ("adjustment", "Adjustment of", "조정 대상 월"),
    ("gpu_hours", "GPU-hours", "GPU 시간"),
    ("unpriced", "of these without a price", "단가 미등록"),
    ("cost", "Cost", "비용"),
    ("share", "Share", "비율"),
    ("namespace", "Namespace", "네임스페이스"),
    ("user", "User", "사용자"),
    ("model", "Model", "모델"),
    ("profile", "MIG profile", "MIG 프로파일"),
    ("workload", "Workload", "워크로드"),
    ("by_namespace", "By namespace", "네임스페이스별"),
    ("by_user", "By user", "사용자별"),
    ("by_model", "By model", "모델별"),
    ("by_workload_type", "By workload", "워크로드별"),
    ("lines", "Lines", "상세 내역"),
    ("closed", "Closed", "마감"),
    ("by", "by", "담당"),
    (
        "open",
        "Not closed: these figures may still change. As of",
        "미마감: 금액이 변경될 수 있음. 기준 시각",
    ),
    ("fingerprint", "Fingerprint of the month (SHA-256)", "월 지문 (SHA-256)"),
    (
        "source",
        "Generated from the GPU ledger by k8s-gpu-management",
        "k8s-gpu-management GPU 원장에서 생성",
    ),
    (
        "rounding",
        "Amounts are shown to two decimals; totals are exact.",
        "금액은 소수 둘째 자리까지 표시하며 합계는 정확한 금액입니다.",
    ),
    ("nothing", "Nothing was used.", "사용 내역이 없습니다."),
)

TEXTS = {
    language: {word[0]: word[place] for word in _WORDS}
    for place, language in enumerate(LANGUAGES, start=1)
}
