"""OpenAI's models, and every server that speaks its HTTP (`base_url`).

Importing this is cheap: the vendor's SDK is loaded by the first request.
"""

from agentos.models.openai.chat import OpenAIChat
from agentos.models.openai.responses import OpenAIResponses

__all__ = ["OpenAIChat", "OpenAIResponses"]
