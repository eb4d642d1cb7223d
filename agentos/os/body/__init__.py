"""The body of a request for a run, read from a form, a multipart form or JSON into the same fields."""

from agentos.os.body.fields import RunBody
from agentos.os.body.reader import MEDIA_TYPES, MULTIPART, read

__all__ = ["MEDIA_TYPES", "MULTIPART", "RunBody", "read"]
