"""Bodies of requests about runs, read from a form, a multipart form or JSON into the same fields."""

from agentos.os.api.requests.existing_run import MAX_SEQ, ContinueBody, ResumeBody
from agentos.os.api.requests.reader import MEDIA_TYPES, MULTIPART, read
from agentos.os.api.requests.run import RunBody

__all__ = ["MAX_SEQ", "MEDIA_TYPES", "MULTIPART", "ContinueBody", "ResumeBody", "RunBody", "read"]
