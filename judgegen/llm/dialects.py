"""How families of servers speak OpenAI's language: one table, as data, for the code, the simulator and the docs.

What stands here is where asking begins, not where it ends: what a model takes is found out by asking it (`trial`), so
that a server of no family, or one that has changed, is met as well. Gathered in 2026-11 from the providers' pages and
public reports. Knows nothing of HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Schema = Literal["json_schema", "json_object", "words"]
Shape = Literal["openai", "list", "detail", "text", "flat"]
Usage = Literal["whole", "apart", "total", "none"]
Thought = Literal["none", "field", "tags"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A family of servers.

    Attributes:
        hosts: how its hosts' names look, as a pattern; "" where anybody runs it.
        address: a base_url as it is written in a run file.
        key: the environment variable that usually holds its key; "" where it needs none.
        limit: the name of the token limit that it takes; `other_limit` whether it takes the other name, too.
        schema: the fullest form of an answer that it takes.
        logprobs: how many alternatives it gives at most; 0 where it refuses them, -1 where it drops them in silence.
        wishes: names of wishes that it refuses.
        ignores: parameters that it takes and does not heed.
        system: whether every model of it takes a system message.
        shape: how an error body looks. "openai" {"error": {…}}, "list" [{"error": {…}}], "detail" {"detail": […]},
            "text" {"error": "…"}, "flat" {"object": "error", "message": …}.
        refusals: by the name of a wish, the words in which it is refused.
        flagged: status and words for a prompt that is not allowed.
        broke: status and words for an account without money; 0 where there is none.
        ends: its words for an answer that is over, cut off, filtered.
        usage: "whole" in OpenAI's places; "apart" where thought is billed beside completion_tokens; "total" where it is
            in total_tokens alone; "none" where nothing is counted.
        thought: where a thinking model's thought stands: in a field beside the content, in tags within it.
        context: the name under which its list of models says how long a model's context is; "" where it does not.
        batch: whether it has OpenAI's files and batches.
        run_file: lines that its table in [endpoints] has beside address and key.
        note: what else a user should know, in sentences.
    """

    name: str
    title: str
    hosts: str = ""
    address: str
    key: str = ""
    limit: str = "max_tokens"
    other_limit: bool = True
    schema: Schema = "json_schema"
    logprobs: int = 20
    wishes: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    system: bool = True
    shape: Shape = "openai"
    refusals: tuple[tuple[str, str], ...] = ()
    flagged: tuple[int, str] = (400, "The prompt was flagged by the content filter")
    broke: tuple[int, str] = (0, "")
    ends: tuple[str, str, str] = ("stop", "length", "content_filter")
    usage: Usage = "whole"
    thought: Thought = "none"
    context: str = ""
    batch: bool = False
    run_file: tuple[str, ...] = ()
    note: str = ""


DIALECTS: tuple[Dialect, ...] = (
    Dialect(
        name="openai",
        title="OpenAI",
        hosts=r"(.*\.)?openai\.com",
        address="https://api.openai.com/v1",
        key="OPENAI_API_KEY",
        limit="max_completion_tokens",
        flagged=(400, "Invalid prompt: it was flagged as violating our usage policy"),
        broke=(429, "insufficient_quota"),
        batch=True,
        note="Models that reason take neither temperature nor top_p nor logprobs unless their effort is none.",
    ),
    Dialect(
        name="azure",
        title="Azure OpenAI",
        hosts=r".*\.(openai\.azure|services\.ai\.azure|cognitiveservices\.azure)\.com|(.*\.)?azure\.com",
        address="https://RESOURCE.openai.azure.com/openai/v1",
        key="AZURE_OPENAI_API_KEY",
        limit="max_completion_tokens",
        flagged=(
            400,
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy",
        ),
        batch=True,
        run_file=('query = { api-version = "2024-10-21" }  # with a /deployments/ address alone',),
        note="A model's name is the deployment's. Prompts that its filter stops are dropped with its words. The key "
        'goes as a bearer token; where it has to go otherwise: headers = { api-key = "env:AZURE_OPENAI_API_KEY" }.',
    ),
    Dialect(
        name="vllm",
        title="vLLM, SGLang",
        address="http://127.0.0.1:8000/v1",
        shape="flat",
        system=False,
        refusals=(("system", "System role not supported"),),
        thought="tags",
        context="max_model_len",
        note="Models whose chat template has no system role (Gemma 1 and 2, older Mistral) are sent the system message "
        "before the user's. A reasoning parser on the server keeps thought out of the content.",
    ),
    Dialect(
        name="llama.cpp",
        title="llama.cpp's server",
        address="http://127.0.0.1:8080/v1",
        refusals=(("system", "Jinja Exception: System role not supported"),),
        thought="field",
        context="n_ctx_train",
        note="Its template errors come as a 500 and are read as the refusals that they are.",
    ),
    Dialect(
        name="ollama",
        title="Ollama",
        address="http://127.0.0.1:11434/v1",
        logprobs=-1,
        ignores=("n",),
        thought="field",
        run_file=("max_concurrency = 4",),
        note="Older versions drop logprobs in silence: verdicts are labels without a probability. The context is 4,096 "
        "tokens unless the server is told otherwise, and longer prompts are cut without a word.",
    ),
    Dialect(
        name="lmstudio",
        title="LM Studio",
        address="http://127.0.0.1:1234/v1",
        logprobs=-1,
        shape="text",
        ignores=("n",),
        refusals=(("schema", "'response_format.type' must be 'json_schema' or 'text'"),),
        thought="tags",
        run_file=("max_concurrency = 4",),
        note="A wrong path is answered with 200 and an error: base_url ends in /v1.",
    ),
    Dialect(
        name="together",
        title="Together AI",
        hosts=r"api\.together\.(xyz|ai)",
        address="https://api.together.xyz/v1",
        key="TOGETHER_API_KEY",
        logprobs=5,
        refusals=(("top_logprobs", "logprobs must be between 0 and 5"),),
        broke=(402, "Credit limit exceeded, please add credits to your account"),
        ends=("eos", "length", "content_filter"),
        thought="tags",
        context="context_length",
        batch=True,
    ),
    Dialect(
        name="fireworks",
        title="Fireworks AI",
        hosts=r"api\.fireworks\.ai",
        address="https://api.fireworks.ai/inference/v1",
        key="FIREWORKS_API_KEY",
        logprobs=5,
        refusals=(("top_logprobs", "top_logprobs: value must be at most 5"),),
        broke=(412, "Account is suspended: spending limit reached"),
        thought="tags",
        context="context_length",
    ),
    Dialect(
        name="deepseek",
        title="DeepSeek",
        hosts=r"api\.deepseek\.com",
        address="https://api.deepseek.com/v1",
        key="DEEPSEEK_API_KEY",
        schema="json_object",
        ignores=("seed", "n"),
        refusals=(("schema", "This response_format type is unavailable now"),),
        flagged=(400, "Content Exists Risk"),
        broke=(402, "Insufficient Balance"),
        thought="field",
        note="Its reasoner takes temperature without heeding it and refuses logprobs.",
    ),
    Dialect(
        name="gemini",
        title="Google Gemini",
        hosts=r"generativelanguage\.googleapis\.com|.*aiplatform\.googleapis\.com",
        address="https://generativelanguage.googleapis.com/v1beta/openai",
        key="GEMINI_API_KEY",
        logprobs=0,
        wishes=("seed",),
        shape="list",
        refusals=(
            ("top_logprobs", "Logprobs is not enabled for this model"),
            ("seed", 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'),
        ),
        flagged=(400, "The prompt was blocked: PROHIBITED_CONTENT"),
        ends=("stop", "MAX_TOKENS", "SAFETY"),
        usage="total",
        thought="field",
        note="Thought is billed and stands in total_tokens alone on some models; it is counted from there.",
    ),
    Dialect(
        name="openrouter",
        title="OpenRouter",
        hosts=r"openrouter\.ai",
        address="https://openrouter.ai/api/v1",
        key="OPENROUTER_API_KEY",
        logprobs=-1,
        ignores=("seed", "n"),
        flagged=(403, "Your chosen model requires moderation and your input was flagged"),
        broke=(402, "This request requires more credits"),
        thought="field",
        context="context_length",
        note="What the provider behind it does not take is dropped in silence. Errors may come inside a 200.",
    ),
    Dialect(
        name="anthropic",
        title="Anthropic, through its OpenAI layer",
        hosts=r"api\.anthropic\.com",
        address="https://api.anthropic.com/v1",
        key="ANTHROPIC_API_KEY",
        schema="words",
        logprobs=-1,
        wishes=("n",),
        ignores=("seed", "schema"),
        refusals=(
            ("n", "n: only 1 is supported"),
            ("top_p", "`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
        ),
        broke=(400, "Your credit balance is too low to access the Anthropic API"),
        note="Takes temperature up to 1 and not together with top_p; seed, logprobs and response_format are dropped in "
        'silence, so a verdict is read from its words. Its own API has schemas: provider = "anthropic" (an extra).',
    ),
    Dialect(
        name="groq",
        title="Groq",
        hosts=r"api\.groq\.com",
        address="https://api.groq.com/openai/v1",
        key="GROQ_API_KEY",
        schema="json_object",
        logprobs=0,
        wishes=("n",),
        refusals=(
            ("top_logprobs", "`logprobs` is not supported with this model"),
            ("schema", "This model does not support response format `json_schema`"),
            ("n", "'n' : number must be at most 1"),
        ),
        thought="field",
        context="context_window",
        batch=True,
        note="JSON that fails its check comes as a 400 and is asked for again at once.",
    ),
    Dialect(
        name="mistral",
        title="Mistral",
        hosts=r"api\.mistral\.ai",
        address="https://api.mistral.ai/v1",
        key="MISTRAL_API_KEY",
        other_limit=False,
        logprobs=0,
        wishes=("seed", "top_logprobs"),
        shape="detail",
        refusals=(("seed", "Extra inputs are not permitted"), ("top_logprobs", "Extra inputs are not permitted")),
        ends=("stop", "model_length", "content_filter"),
        thought="field",
        context="max_context_length",
    ),
    Dialect(
        name="xai",
        title="xAI",
        hosts=r"api\.x\.ai",
        address="https://api.x.ai/v1",
        key="XAI_API_KEY",
        logprobs=8,
        shape="text",
        refusals=(("top_logprobs", "Argument not supported on this model: topLogprobs above 8"),),
        flagged=(403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"),
        broke=(403, "Your team has used all available credits or reached its monthly spending limit"),
        usage="apart",
        thought="field",
        note="A 403 is its word for a flagged prompt as well as for a key without permission; they are told apart.",
    ),
    Dialect(
        name="bedrock",
        title="Amazon Bedrock, through its OpenAI layer",
        hosts=r"bedrock-(runtime|mantle)\..*\.amazonaws\.com",
        address="https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
        key="AWS_BEARER_TOKEN_BEDROCK",
        limit="max_completion_tokens",
        schema="words",
        logprobs=0,
        wishes=("n", "seed"),
        shape="flat",
        refusals=(
            ("top_logprobs", "Malformed input request: extraneous key [logprobs] is not permitted"),
            ("schema", "Malformed input request: extraneous key [response_format] is not permitted"),
            ("seed", "Malformed input request: extraneous key [seed] is not permitted"),
            ("n", "Malformed input request: extraneous key [n] is not permitted"),
        ),
        thought="tags",
    ),
    Dialect(
        name="dashscope",
        title="Alibaba Model Studio (DashScope)",
        hosts=r"dashscope.*\.aliyuncs\.com",
        address="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key="DASHSCOPE_API_KEY",
        schema="json_object",
        logprobs=5,
        refusals=(
            ("schema", "<400> InvalidParameter: 'response_format.type' must be 'text' or 'json_object'"),
            ("top_logprobs", "<400> InternalError.Algo.InvalidParameter: Range of top_logprobs should be [0, 5]"),
        ),
        flagged=(400, "Input data may contain inappropriate content."),
        broke=(400, "Access denied, please make sure your account is in good standing: Arrearage"),
        thought="field",
        batch=True,
    ),
    Dialect(
        name="cohere",
        title="Cohere, through its OpenAI layer",
        hosts=r"api\.cohere\.(ai|com)",
        address="https://api.cohere.ai/compatibility/v1",
        key="COHERE_API_KEY",
        logprobs=0,
        wishes=("n",),
        shape="flat",
        refusals=(
            ("top_logprobs", "invalid request: top_logprobs is not a supported parameter"),
            ("n", "invalid request: n is not a supported parameter"),
        ),
        ends=("COMPLETE", "MAX_TOKENS", "ERROR_TOXIC"),
    ),
    Dialect(
        name="nim",
        title="NVIDIA NIM",
        hosts=r"integrate\.api\.nvidia\.com",
        address="https://integrate.api.nvidia.com/v1",
        key="NVIDIA_API_KEY",
        schema="words",
        logprobs=0,
        shape="detail",
        refusals=(
            ("schema", "Extra inputs are not permitted"),
            ("top_logprobs", "Extra inputs are not permitted"),
        ),
        broke=(402, "Account credits expired"),
        thought="tags",
    ),
    Dialect(
        name="databricks",
        title="Databricks",
        hosts=r".*\.(cloud\.databricks|azuredatabricks|gcp\.databricks)\.(com|net)",
        address="https://WORKSPACE.cloud.databricks.com/serving-endpoints",
        key="DATABRICKS_TOKEN",
        wishes=("seed",),
        shape="flat",
        refusals=(("seed", "BAD_REQUEST: seed is not a recognized argument"),),
    ),
    Dialect(
        name="sambanova",
        title="SambaNova, Cerebras",
        hosts=r"api\.(sambanova|cerebras)\.ai",
        address="https://api.sambanova.ai/v1",
        key="SAMBANOVA_API_KEY",
        logprobs=0,
        wishes=("seed",),
        shape="text",
        refusals=(
            ("top_logprobs", "logprobs is currently not supported"),
            ("seed", "seed is currently not supported"),
        ),
        thought="tags",
        context="context_length",
    ),
)

_HOSTS = [(re.compile(one.hosts, re.IGNORECASE), one) for one in DIALECTS if one.hosts]


def named(name: str) -> Dialect | None:
    """The dialect of this name, None where there is none."""
    return next((one for one in DIALECTS if one.name == name), None)


def spoken_at(base_url: str) -> Dialect | None:
    """Whose dialect is spoken at an address, as far as its host tells; None where it does not."""
    host = urlsplit(base_url).hostname or ""
    return next((one for pattern, one in _HOSTS if pattern.fullmatch(host)), None)


def limit_name(base_url: str) -> str:
    """The name of the token limit to begin with: the older one, which most know, unless the family wants the newer."""
    found = spoken_at(base_url)
    return "max_tokens" if found is None else found.limit
