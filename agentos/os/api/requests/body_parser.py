"""Parses a request about a run. Any error is a 422 that names the field."""

from __future__ import annotations

import re
from asyncio import to_thread
from contextlib import AsyncExitStack, aclosing
from mimetypes import guess_type
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from agentos.errors import BadRequestError, PayloadTooLargeError, UnsupportedMediaTypeError
from agentos.os.api.requests.body import Body
from agentos.os.api.requests.run import MAX_MEDIA
from agentos.os.http.body_limit import check_json, json_limits
from agentos.os.http.pace import in_turn
from agentos.os.http.problems import InvalidRequestError
from agentos.run.media import File, Image
from agentos.run.text import mended

B = TypeVar("B", bound=Body)

FORM, MULTIPART, JSON = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"
MEDIA_TYPES = (MULTIPART, FORM, JSON)
MAX_FIELDS = 1000
"""Fields in one form."""
_UPLOADS = re.compile(r"files?(\[\d*\])?")
"""Names of parts that contain an uploaded file: `files`, and what other clients and frameworks make of it."""
_UNLIMITED = 2**63 - 1
"""The body as a whole is limited, so its parts need no limit."""


async def read(request: Request, wanted: type[B]) -> B:
    """Parses the body as `wanted`, by its content type. 415 for types not in `MEDIA_TYPES`."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == JSON or (content_type.startswith("application/") and content_type.endswith("+json")):
        return await _from_json(request, wanted, await request.body())
    if content_type == MULTIPART:
        return await _from_form(request, wanted, await _multipart(request))
    if content_type == FORM or (not content_type and not await request.body()):
        return await _from_form(request, wanted, await _urlencoded(request))
    raise UnsupportedMediaTypeError(f"Send the body as one of {', '.join(MEDIA_TYPES)}")


async def _from_json(request: Request, wanted: type[B], text: bytes) -> B:
    await check_json(request, text, media=bool(wanted.as_media))
    body = _checked(wanted, _json(text, ("body",)))
    if len(text) > (most := json_limits(request).bytes):
        media = sum(len(each.content or b"") * 4 // 3 + len(each.url or "") for each in body.media)
        if len(text) - media - media // 16 > most:  # slashes may be escaped
            raise PayloadTooLargeError(f"The JSON is larger than {most} bytes, without images and documents")
    return body


class _Multipart(MultiPartParser):
    """Detects truncated bodies, which Starlette's parser accepts as complete."""

    is_whole = False

    def on_end(self) -> None:
        self.is_whole = True


async def _multipart(request: Request) -> FormData:
    stream = request.stream()
    parser = _Multipart(
        request.headers, stream, max_files=MAX_MEDIA, max_fields=MAX_FIELDS, max_part_size=_UNLIMITED
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _invalid(("body",), "multipart_invalid", error.message) from error
    except UnicodeError as error:
        raise _invalid(("body",), "multipart_invalid", "The body isn't in its charset: use UTF-8") from error
    finally:
        await stream.aclose()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(form.close)
        if not parser.is_whole:
            raise _invalid(("body",), "multipart_invalid", "The body breaks off before its last boundary")
        # So far it was paced as an upload, but its fields take as long as those of other forms.
        texts = sum(len(value) for _, value in form.multi_items() if isinstance(value, str))
        await in_turn(request, texts, arrived=True)
        stack.pop_all()
    return form


async def _urlencoded(request: Request) -> FormData:
    """Reads bytes beyond ASCII as UTF-8, escaped or not, as `curl -d` sends them."""
    body, most = bytearray(), json_limits(request).bytes
    async with aclosing(request.stream()) as stream:
        async for chunk in stream:
            body += chunk
            if len(body) > most:
                raise PayloadTooLargeError(f"The form is larger than {most} bytes: send it as {MULTIPART}")
    text = body.decode(errors="replace")
    try:
        # Unescaping a megabyte takes its time.
        fields = await to_thread(parse_qsl, text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise _invalid(("body",), "form_invalid", f"A form may have {MAX_FIELDS} fields") from error
    return FormData(list[tuple[str, UploadFile | str]](fields))


async def _from_form(request: Request, wanted: type[B], form: FormData) -> B:
    try:
        parts = [(name, value) for name, value in form.multi_items() if _is_filled(value)]
        uploads = [(name, value) for name, value in parts if _is_upload(wanted, name, value)]
        attached = {name for name, _ in uploads}
        fields = {name: value for name, value in parts if isinstance(value, str) and name not in attached}
        body = _checked(
            wanted, {name: await _parsed(request, wanted, name, value) for name, value in fields.items()}
        )
        for name, upload in uploads:
            await _attach(body, name, upload)
        return body
    finally:
        await form.close()


def _is_filled(value: UploadFile | str) -> bool:
    """False for what browsers send for an input that was left empty."""
    return value != "" if isinstance(value, str) else bool(value.filename or value.size)


def _is_upload(wanted: type[Body], name: str, value: UploadFile | str) -> bool:
    """Whether this part is a file to attach. InvalidRequestError for a file that the body doesn't take."""
    if wanted.as_media and _UPLOADS.fullmatch(name):
        return True
    if isinstance(value, str):
        return False
    if name in wanted.model_fields:
        message = "Send this field as text, not as a file"
    elif wanted.as_media:
        message = "Send files as parts named `files`"
    else:
        message = "This request takes no files"
    raise _invalid(("body", name[:100]), "file_unexpected", message)


async def _parsed(request: Request, wanted: type[Body], name: str, value: str) -> Any:
    if name in wanted.as_json:
        text = value.encode(errors="surrogatepass")  # halves of pairs, as some charsets have, are no JSON
        await check_json(request, text, media=name in wanted.as_media)
        return _json(text, ("body", name))
    if len(value) > (most := json_limits(request).bytes):
        raise PayloadTooLargeError(f"The field {name[:100]!r} is longer than {most} characters")
    return value


async def _attach(body: Body, name: str, upload: UploadFile | str) -> None:
    if isinstance(upload, str):
        raise _invalid(("body", name), "file_expected", "Send files as parts with a filename")
    body.attach(await media(upload))


def _json(text: bytes, loc: tuple[str, ...]) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise _invalid(loc, "json_invalid", "This isn't JSON") from error


def _checked(wanted: type[B], fields: Any) -> B:
    try:
        return wanted.model_validate(fields)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        errors = [{**each, "loc": ("body", *each["loc"])} for each in found]
        raise InvalidRequestError(errors) from error


def _invalid(loc: tuple[str, ...], kind: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([{"type": kind, "loc": loc, "msg": message}])


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
    """The uploaded file as media, by its header or file name. 400 for a type that models can't read."""
    mime_type = _mime_type(upload)
    if mime_type in _IMAGES:
        kind: type[Image | File] = Image
    elif mime_type in _FILES or mime_type.startswith("text/"):
        kind = File
    else:
        raise BadRequestError("Unsupported file type")
    # Validation would want the bytes as Base64.
    return kind.model_construct(
        content=await upload.read(), mime_type=mime_type, filename=mended(upload.filename or "")
    )


def _mime_type(upload: UploadFile) -> str:
    told = (upload.content_type or "").partition(";")[0].strip().lower()
    return (guess_type(upload.filename or "")[0] or "") if told in _UNTYPED else told
