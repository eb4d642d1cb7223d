"""Bodies of requests about runs, read from a form, a multipart form or JSON into the same fields."""

from agentos.os.body.fields import RunBody
from agentos.os.body.following import MAX_SEQ, ContinueBody, ResumeBody
from agentos.os.body.reader import MEDIA_TYPES, MULTIPART, read

__all__ = ["MAX_SEQ", "MEDIA_TYPES", "MULTIPART", "ContinueBody", "ResumeBody", "RunBody", "read"]
