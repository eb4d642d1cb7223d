"""Images and documents for messages, where users of Agno look for them."""

from agentos.run.media import File, Image

__all__ = ["File", "Image"]
