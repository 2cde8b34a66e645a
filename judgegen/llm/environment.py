"""The environment variables that judgegen itself reads, one sentence each. A test holds the list to the code.

Besides these a run file names the variables of its keys: `api_key_env`, and "env:NAME" in headers and query.
"""

from __future__ import annotations

from collections.abc import Mapping

VARIABLES: Mapping[str, str] = {
    "OPENAI_API_KEY": "The key of the endpoint `openai`, unless its `api_key_env` names another variable.",
    "ANTHROPIC_API_KEY": 'The key of an endpoint with `provider = "anthropic"`, unless it names another variable.',
    "OPENAI_BASE_URL": "The address of the endpoint `openai`; OpenAI's own where it is not set.",
    "OPENAI_ORG_ID": "The organization that calls are booked on, sent as OpenAI-Organization.",
    "OPENAI_PROJECT_ID": "The project that calls are booked on, sent as OpenAI-Project.",
    "AZURE_OPENAI_API_KEY": "The key of `judgegen finetune` on Azure.",
    "RAY_ADDRESS": "The cluster of `judgegen run --engine ray`, where --address names none; Ray reads it, too.",
    "XDG_CACHE_HOME": "Where `judgegen report` keeps what draws its charts; ~/.cache where it is not set.",
    "JUDGEGEN_TRACEBACK": "Set to anything: a fault of judgegen's own prints its traceback.",
}
