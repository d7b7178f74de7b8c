"""What the API says in other languages than English: titles of problems, by code (CFG-10), pages.

The sentence with the numbers (`detail`) stays English: it is what people search for and report.
"""

import re
from collections.abc import Mapping

DEFAULT = "en"

KOREAN: Mapping[str, str] = {
    "ALERT_OVER": "이미 끝난 경보입니다",
    "ALLOCATION_CONTENDED": "동시에 변경이 너무 많습니다",
    "ALLOCATION_ENDED": "이미 끝난 할당입니다",
    "BAD_REQUEST": "요청을 읽을 수 없습니다",
    "BUDGET_EXCEEDED": "예산을 넘어 지금은 허용되지 않습니다",
    "BUDGET_EXISTS": "같은 예산이 이미 있습니다",
    "CHANNEL_EXISTS": "같은 이름의 알림 채널이 이미 있습니다",
    "CHANNEL_OF_SETTINGS": "서버 설정이 정하는 알림 채널입니다",
    "CONFLICT": "현재 상태에서는 할 수 없습니다",
    "CONTENT_TOO_LARGE": "요청이 너무 큽니다",
    "DELIVERY_NOT_DEAD": "포기된 전송이 아닙니다",
    "DEVICE_EXISTS": "이미 등록된 장비입니다",
    "DEVICE_IN_USE": "장비가 할당되어 있습니다",
    "FORBIDDEN": "권한이 없습니다",
    "GPU_NOT_AVAILABLE": "지금 이 요청에 맞는 GPU가 없습니다",
    "HOLD_NOT_OVER": "이 사용 기록은 아직 정정할 수 없습니다",
    "IDEMPOTENCY_KEY_REUSED": "다른 요청에 쓰인 Idempotency-Key입니다",
    "INTERNAL_ERROR": "서버 내부 오류입니다",
    "METHOD_NOT_ALLOWED": "이 메서드는 제공되지 않습니다",
    "MIG_INSTANCE_IN_USE": "MIG 인스턴스가 할당되어 있습니다",
    "MIG_LAYOUT_ILLEGAL": "허용되지 않는 MIG 배치입니다",
    "MIG_NOT_ENABLED": "이 장비는 MIG 모드가 꺼져 있습니다",
    "MIG_PLAN_NOT_EXECUTABLE": "이 계획은 여기서 실행할 수 없습니다",
    "MIG_PLAN_STALE": "이 계획은 다른 레이아웃을 위해 만들어졌습니다",
    "MIG_PLAN_STATE": "계획의 현재 상태에서는 허용되지 않는 작업입니다",
    "METRICS_UNAVAILABLE": "지금은 측정값을 읽을 수 없습니다",
    "MIG_NOT_SUPPORTED": "이 GPU 모델은 MIG로 제공할 수 없습니다",
    "MONTH_NOT_CLOSABLE": "그 달은 아직 마감할 수 없습니다",
    "PRECONDITION_FAILED": "읽은 뒤에 변경되었습니다",
    "QUOTA_EXCEEDED": "팀 할당량을 넘어 지금은 허용되지 않습니다",
    "RATE_CHANGED": "읽은 뒤에 단가가 변경되었습니다",
    "RATE_EXISTS": "그 시각부터의 단가가 이미 있습니다",
    "RATE_IN_FORCE": "이미 적용된 단가입니다",
    "RESOURCE_NOT_FOUND": "대상을 찾을 수 없습니다",
    "SERVICE_UNAVAILABLE": "지금은 응답할 수 없습니다",
    "SUGGESTION_ENDED": "이미 처리된 제안입니다",
    "TOO_MANY_REQUESTS": "요청이 너무 많습니다",
    "UNAUTHENTICATED": "인증 정보가 없거나 올바르지 않습니다",
    "VALIDATION_FAILED": "받아들일 수 없는 값이 있습니다",
}
_HINTS: Mapping[str, Mapping[int, str]] = {
    "en": {
        401: "Log in on the dashboard, then open this address again.",
        403: "Your roles do not include this. Ask an administrator, or go on where you may.",
        404: "The address is wrong, or what it named is gone.",
        405: "This address is for programs; open the dashboard instead.",
        429: "Wait a moment, then load the page again.",
        503: "Nothing was changed. Wait a moment, then load the page again.",
        4: "The address asks for something that cannot be answered as it stands.",
        5: "This is our fault, not yours. Try again; if it stays, report it with the request id.",
    },
    "ko": {
        401: "대시보드에서 로그인한 뒤 이 주소를 다시 여세요.",
        403: "지금 역할로는 볼 수 없습니다. 관리자에게 권한을 요청하세요.",
        404: "주소가 틀렸거나 그 대상이 사라졌습니다.",
        405: "프로그램이 쓰는 주소입니다. 대시보드를 여세요.",
        429: "잠시 기다린 뒤 페이지를 다시 불러오세요.",
        503: "아무것도 바뀌지 않았습니다. 잠시 기다린 뒤 페이지를 다시 불러오세요.",
        4: "이 주소의 요청에는 그대로 답할 수 없습니다.",
        5: "서버의 잘못입니다. 다시 시도하고, 계속되면 요청 번호와 함께 알려 주세요.",
    },
}
"""What to do now, by status, else by its first digit."""
_PAGE: Mapping[str, Mapping[str, str]] = {
    "en": {
        "home": "Dashboard",
        "kind": "About this kind of problem",
        "request": "Request id",
        "detail": "Details",
    },
    "ko": {
        "home": "대시보드",
        "kind": "이 오류에 대한 설명",
        "request": "요청 번호",
        "detail": "자세한 내용 (영어)",
    },
}
_TITLES: Mapping[str, Mapping[str, str]] = {"ko": KOREAN}
_RANGE = re.compile(r"\s*([A-Za-z*]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*$")


def language_of(accepted: str) -> str:
    """Return the language an `Accept-Language` header likes best of ours; English without one."""
    best, weight = DEFAULT, 0.0
    for part in accepted[:1000].split(","):
        match = _RANGE.match(part)
        if match is None:
            continue
        name, told = match[1].lower(), float(match[2] or 1)
        if told > weight and name in {DEFAULT, "*", *_TITLES}:
            best, weight = (DEFAULT if name == "*" else name), told
    return best


def title_of(code: str, title: str, language: str) -> str:
    """Return the title of a problem in a language, as it is where there is no translation."""
    return _TITLES.get(language, {}).get(code, title)


def page_words(status: int, language: str) -> dict[str, str]:
    """Return what an error page says beside the title of its problem."""
    hints = _HINTS[language]
    hint = hints.get(status) or hints.get(status // 100) or hints[5]
    return {**_PAGE[language], "hint": hint}
