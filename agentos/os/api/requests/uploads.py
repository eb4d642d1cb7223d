"""Uploaded files as the media of a message."""

from __future__ import annotations

from base64 import b64encode
from mimetypes import guess_type

from starlette.datastructures import UploadFile

from agentos.errors import BadRequestError
from agentos.run.media import File, Image

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/heic", "image/heif"})
_OFFICE = "application/vnd.openxmlformats-officedocument."
_FILES = frozenset(
    {
        "application/pdf",
        "application/json",
        "application/xml",
        "application/rtf",
        "application/yaml",
        "application/x-yaml",
        "application/javascript",
        "application/x-javascript",
        "application/x-python",
        "application/x-python-code",
        "application/msword",
        "application/vnd.ms-excel",
        f"{_OFFICE}wordprocessingml.document",
        f"{_OFFICE}spreadsheetml.sheet",
        f"{_OFFICE}presentationml.presentation",
    }
)
_UNTYPED = {"", "application/octet-stream"}


async def media(upload: UploadFile) -> Image | File:
    """The upload by its type, which its name tells if its header doesn't; 400 for what no model reads."""
    mime_type = _mime_type(upload)
    if mime_type in _IMAGES:
        kind: type[Image | File] = Image
    elif mime_type in _FILES or mime_type.startswith("text/"):
        kind = File
    else:
        raise BadRequestError("Unsupported file type")
    return kind.model_validate(
        {"content": b64encode(await upload.read()), "mime_type": mime_type, "filename": upload.filename}
    )


def _mime_type(upload: UploadFile) -> str:
    told = (upload.content_type or "").partition(";")[0].strip().lower()
    return (guess_type(upload.filename or "")[0] or "") if told in _UNTYPED else told
