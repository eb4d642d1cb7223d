"""OpenAI models, through the official client."""
