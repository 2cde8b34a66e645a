"""What servers say when they will not answer: one table of signs, by family, as data.

A sign is looked for in an error's codes (`code`, `type`, `status`, `reason`: whole words, case aside) or in its
sentences (a pattern). It says what kind of refusal it is; what no sign tells is told by what the endpoint answers
otherwise (`learned`). Gathered in 2026-11 from the providers' error pages and public reports. Knows nothing of HTTP.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["money", "flagged", "too_long", "again", "key", "model", "path", "throttled", "passing", "request"]
"""What a refusal is about: the account, this prompt's content or length, chance, the key, the model's name, the path,
how much is asked at once, trouble that passes, or the request's form although the status blames the server."""

CODES: dict[Kind, dict[str, str]] = {
    "money": {
        "openai": "insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded "
        "project_spend_limit_exceeded organization_usage_limit_exceeded billing_hard_limit_reached billing_not_active",
        "anthropic": "billing_error",
        "dashscope": "arrearage insufficientbalance prepaidbilloverdue postpaidbilloverdue "
        "allocationquota.freetieronly",
        "deepseek, moonshot": "insufficient_balance exceeded_current_quota_error",
        "new-api, one-api": "insufficient_user_quota pre_consume_token_quota_failed",
        "xai, together": "payment_required credit_limit credits_exhausted personal_team_blocked:spending-limit",
    },
    "flagged": {
        "openai, azure": "content_filter content_policy_violation responsibleaipolicyviolation moderation_blocked",
        "dashscope": "datainspectionfailed data_inspection_failed",
        "google": "prohibited_content blocklist safety recitation spii",
        "bedrock": "guardrailintervened guardrail_intervened",
        "zhipu, minimax": "1301 1026 1027 contentfilter sensitive",
        "others": "content_blocked policy_violation prompt_blocked",
    },
    "too_long": {
        "openai": "context_length_exceeded string_above_max_length",
        "llama.cpp, lm studio": "exceed_context_size_error",
        "anthropic": "request_too_large",
        "others": "context_window_exceeded contextwindowexceedederror input_too_long max_tokens_exceeded",
    },
    "again": {
        "groq": "json_validate_failed tool_use_failed",
        "tgi": "generation incomplete_generation",
        "bedrock": "modelerrorexception modelnotreadyexception",
    },
    "key": {
        "openai": "invalid_api_key account_deactivated invalid_organization unsupported_country_region_territory",
        "anthropic": "authentication_error",
        "google": "api_key_invalid unauthenticated service_disabled consumer_invalid",
        "dashscope": "invalidapikey accessdenied",
        "bedrock": "unrecognizedclientexception expiredtokenexception invalidsignatureexception",
        "databricks": "unauthorized invalid_token",
    },
    "model": {
        "openai, azure": "model_not_found deploymentnotfound modelnotfound unknown_model",
        "dashscope": "model_not_supported modelnotexist",
        "databricks": "endpoint_not_found resource_does_not_exist",
        "others": "model_decommissioned invalid_model modelnotavailable",
    },
    "throttled": {
        "all": "rate_limit_exceeded rate_limit_error rate_limited ratelimitexceeded ratelimitreached too_many_requests "
        "requests_limit_exceeded concurrency_limit_exceeded",
    },
    "path": {"others": "unknown_url route_not_found missingapiversionparameter"},
    "passing": {
        "anthropic": "overloaded_error api_error",
        "google": "unavailable deadline_exceeded",
        "bedrock": "throttlingexception serviceunavailableexception modeltimeoutexception",
        "databricks": "temporarily_unavailable",
        "dashscope": "requesttimeout internalerror",
        "new-api, one-api": "do_request_failed",
    },
    "request": {"tgi": "template_error"},
}

SENTENCES: dict[Kind, dict[str, str]] = {
    "money": {
        "all": r"\b(insufficient|not enough|no|low|more|out of|used (up|all)|spent all|exhausted|remaining|requires?|"
        r"run out of)\b.{0,24}\b(credits?|balance|funds)\b|\b(credits?|balance|funds)\b.{0,30}\b(too low|used up|"
        r"insufficient|exhausted|expired|exceeded|run out|depleted|negative|overdue)|payment required|in arrears|"
        r"overdue[- ]payment|billing (is |not |hard )|spend(ing)? (limit|cap|budget)|exceeded your current "
        r"quota|top up your|\bbudget\b.{0,20}(exceeded|exhausted|reached|used up)|exceeded.{0,20}\bbudget\b|"
        r"monthly .{0,20}\b(limit|cap|quota|budget)\b",
        "new-api, one-api, zhipu": r"(额度|余额|配额).{0,6}(不足|已?用[尽完])|欠费|请充值",
    },
    "flagged": {
        "all": r"content.?(filter|policy|management|moderat|violat|exists risk)|responsible.?ai|safety (system|check|"
        r"filter|polic|setting)|usage (guideline|polic)|acceptable use|moderation|moderated|inappropriate content|"
        r"failed check: |guardrail|prohibited.?content|sensitive (content|information|words?)|terms of (use|service) "
        r"violat|violat\w+ .{0,30}(polic|guideline|terms)|against our .{0,20}(polic|guideline)|harmful|blocked by "
        r".{0,20}(safety|policy|filter)|flagged",
        "zhipu, baidu": r"敏感|不安全.{0,8}内容",
    },
    "too_long": {
        "all": r"context.{0,12}(length|size|window|limit)|maximum.{0,20}tokens|(prompt|input|message|request|text|"
        r"conversation)\w*\b(?:(?!\bt(?:ook|aking|akes)\b).){0,20}\b(too|is) (long|large)|too many "
        r"(input |prompt )?tokens|(input|prompt)s?\b"
        r".{0,20}tokens?\b.{0,30}(exceed|limit|must be)|exceed\w*.{0,30}(context|max\w*.{0,12}(length|input|model))|"
        r"range of input length|payload too large|token count .{0,40}exceed",
        "zhipu, baidu": r"(输入|上下文|请求内容).{0,12}(过长|超过|超出)",
    },
    "again": {
        "groq": r"failed to (generate|validate) json|failed_generation|no valid json",
        "tgi": r"failed during generation",
        "bedrock": r"model is not ready|try your request again",
    },
    "key": {
        "all": r"\bapi.?key\b|\bcredentials?\b|\bunauthori[sz]ed\b|\bauthenticat\w+|(access|security|bearer) token|"
        r"\btoken\b.{0,20}(expired|invalid)|invalid.{0,10}\btoken\b|not allowed from|permission.{0,20}denied|"
        r"don.t have access|does not have (access|permission)|account.{0,30}(deactivated|suspended|disabled|not found)|"
        r"location is not supported|region.{0,20}not supported|country, region",
        "new-api, one-api, zhipu": r"无效的令牌|令牌.{0,10}(过期|无效|不正确|不可用|禁用)|密钥.{0,6}(无效|错误)",
    },
    "model": {
        "all": r"\bmodels?\b[^.]{0,80}(not found|does not exist|not exist|doesn.t exist|no longer|decommissioned|"
        r"deprecated|retired|not deployed|not loaded)|\b(no such|unknown|invalid|non-?existent|could not find) "
        r"(the )?(model|deployment)|model (identifier|name|id).{0,20}(invalid|incorrect|wrong)|not a valid model|"
        r"deployment.{0,40}(not exist|not found)|no models? (is |are )?loaded|try pulling it first",
    },
    "path": {
        "all": r"(no such|unexpected|unknown|invalid|unrecogni[sz]ed) (endpoint|url|path|route|resource|method)|"
        r"(endpoint|url|path|route|page|resource)\b.{0,20}\bnot (found|exist)|method not allowed|cannot (post|get) /|"
        r"api.version",
    },
    "throttled": {
        "all": r"(rate|request).?limit\w*\b.{0,30}\b(exceeded|reached|hit)|(exceeded|reached|hit)\b.{0,30}rate.?limit|"
        r"rate.?limited|too many (concurrent |parallel )?requests|\bthrottl(ed|ing)\b",
        "one-api, zhipu": r"请求.{0,6}(频繁|过多|过快)|(频率|并发).{0,6}(超|限制)|触发.{0,4}限流",
    },
    "passing": {
        "all": r"overloaded|(try|come) (again|back) (later|in)|temporarily|timed? ?out|capacity|upstream|too busy|"
        r"rate.?limit|too many requests|internal (server )?error|service unavailable|bad gateway",
        "new-api, one-api, zhipu": r"稍后再?重?试|繁忙|过载|饱和",
    },
    "request": {
        "llama.cpp, vllm, tgi": r"jinja|chat.?template|template error|roles? must alternate|system role|"
        r"raise_exception|unsupported (param|grammar)|failed to parse grammar|json.?schema conversion",
    },
}

WISHES: dict[str, str] = {
    "schema": r"response.?_?format|json.?_?(schema|object|mode)|structured.?outputs?|guided.?(json|decoding)|grammar|"
    r"response.?_?schema|responseMimeType|response_mime_type",
    "top_logprobs": r"log.?prob",
    "seed": r"(?<![a-z])(random.?)?seed(?![a-z])",
    "system": r"(system|developer).{0,24}(role|message|prompt|instruction)|role.{0,30}(system|developer)|"
    r"(system|developer)['\"`]? (is|are) not|roles?.{0,30}(user|assistant).{0,30}(user|assistant).{0,20}(only|support)",
    "limit": r"max.?_?(completion|output|new)?.?_?tokens",
    "temperature": r"temperature",
    "n": r"(?<![a-z])['\"`]?n['\"`]? ?(=|>|must|is not|parameter|should)|(parameter|argument|field):? ['\"`]?n['\"`]?"
    r"(?![a-z])|number of (choices|completions|candidates)|multiple (choices|completions)|candidate_?count",
}
"""By the name of a wish, how refusals speak of it, in any language of parameters (snake, camel, Google's, NVIDIA's)."""


def _together(families: dict[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(families.values()), re.IGNORECASE | re.DOTALL)


_SENTENCES = {kind: _together(families) for kind, families in SENTENCES.items()}
_CODES = {kind: frozenset(" ".join(families.values()).split()) for kind, families in CODES.items()}
_WISHES = {name: re.compile(pattern, re.IGNORECASE | re.DOTALL) for name, pattern in WISHES.items()}


def told(kind: Kind, words: frozenset[str], said: str) -> bool:
    """Whether an error with these codes (lower case) and sentences is of this kind."""
    return bool(words & _CODES[kind]) or _SENTENCES[kind].search(said) is not None


def coded(kind: Kind, words: frozenset[str]) -> bool:
    """Whether one of these codes says so, whatever the sentences are."""
    return bool(words & _CODES[kind])


def passes(words: frozenset[str]) -> bool:
    """Whether a code says of a request's own status that it passes; some say api_error of whatever they refuse."""
    return coded("passing", words - {"api_error"})


_A_DAY = re.compile(
    r"(per|a|each)[-_ ]?day|\bdaily|\b[rt]pd\b|today|tomorrow|midnight|[今当本每][日天]|明[日天]|1日|pro tag|täglich|"
    r"par jour|por d[ií]a",
    re.IGNORECASE,
)
_SOONER = re.compile(r"(per|a|each)[-_ ]?(second|minute|hour)|\b[rt]p[smh]\b|[秒分]", re.IGNORECASE)


def daily(words: frozenset[str], said: str) -> bool:
    """Whether it is what may be asked in a day that is used up: by a code (PerDay), or by words of no shorter time."""
    return any(_A_DAY.search(word) for word in words) or bool(_A_DAY.search(said) and not _SOONER.search(said))


def wishes(said: str) -> tuple[str, ...]:
    """The wishes that an error speaks of, in the order of the table."""
    return tuple(name for name, pattern in _WISHES.items() if pattern.search(said))


_CONTEXT = re.compile(
    r"(?:context|maximum|model|n_ctx|window)\D{0,60}?(\d{1,3}(?:[,_]\d{3})+|\d{3,8})(?=\s*tokens|\W|$)", re.IGNORECASE
)


def context(said: str) -> int:
    """Tokens of a context, as a refusal of what is too long for it says; 0 where it does not."""
    found = _CONTEXT.search(said)
    return 0 if found is None else int(re.sub(r"\D", "", found[1]))
