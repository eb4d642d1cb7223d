"""Models of OpenAI and of servers with a compatible API (`base_url`).

Importing this is cheap: the first request loads the vendor's SDK.
"""

from agentos.models.openai.chat import OpenAIChat
from agentos.models.openai.responses import OpenAIResponses

__all__ = ["OpenAIChat", "OpenAIResponses"]
