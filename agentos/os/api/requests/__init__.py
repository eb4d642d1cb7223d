"""Request bodies about runs, parsed from a form, a multipart form or JSON into the same fields."""

from typing import Final

from agentos.os.api.requests.body import Body
from agentos.os.api.requests.body_parser import read
from agentos.os.api.requests.existing_run import MAX_SEQ, ContinueBody, ResumeBody
from agentos.os.api.requests.run import RunBody

BODIES: Final[tuple[type[Body], ...]] = (RunBody, ContinueBody, ResumeBody)
"""All of these bodies, for OpenAPI."""

__all__ = ["BODIES", "MAX_SEQ", "ContinueBody", "ResumeBody", "RunBody", "read"]
