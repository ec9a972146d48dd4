"""A mail that is too large for one request to Graph: a draft without its large files, the files one by one, then sent.

Sizes: https://learn.microsoft.com/graph/outlook-large-attachments (uploads in ranges of 320 KiB times n, under 4 MB each).
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import quote

from mailjobs.core.envelope import Phase, TransportError, Trouble
from mailjobs.core.web_mail import LargeFile, WebMail, without_large_files
from mailjobs.transports.https import Answer, BeforeBody
from mailjobs.transports.web_reply import document_of, reply_of

UPLOAD_FROM = 3 * 1024 * 1024  # octets: smaller files go in one request, and an upload session refuses them
RANGE = 10 * 320 * 1024
_MIME = {"Content-Type": "text/plain"}
_JSON = {"Content-Type": "application/json"}

Call = Callable[..., Awaitable[Answer]]


class Draft:
    """One mail on its way as a draft; as long as it is not sent it is nobody's mail, and it is deleted where that fails."""

    def __init__(self, mailbox: str, call: Call, mail: WebMail) -> None:
        self._mailbox, self._call, self._mail = mailbox, call, mail

    async def send(self, before_body: BeforeBody) -> Answer:
        """The answer to the request that sends. Raises Withdrawn or TransportError, before Phase.BODY where nothing was sent."""
        draft = await self.make()
        try:
            answer = await self._call("POST", f"{draft}/send", headers={}, before_body=before_body, last=True)
        except TransportError as error:
            if error.phase is not Phase.BODY:
                await self._delete(draft)
            raise
        except Exception:
            await self._delete(draft)
            raise
        if 400 <= answer.status < 500 or answer.status == 503:
            await self._delete(draft)
        return answer

    async def make(self) -> str:
        """The address of the draft, made with all its files. Raises TransportError in Phase.MAIL; then it is deleted again."""
        rest, files = await asyncio.to_thread(without_large_files, self._mail)
        made = _taken(await self._call("POST", f"{self._mailbox}/messages", headers=_MIME, body=base64.b64encode(rest)), 201)
        key = document_of(made).get("id")
        if not isinstance(key, str) or not key:
            raise TransportError(phase=Phase.MAIL, trouble=Trouble.BAD_REPLY)
        draft = f"{self._mailbox}/messages/{quote(key, safe='')}"
        try:
            for file in files:
                await self._attach(draft, file)
        except Exception:
            await self._delete(draft)
            raise
        return draft

    async def _attach(self, draft: str, file: LargeFile) -> None:
        if len(file.data) < UPLOAD_FROM:
            item = {"@odata.type": "#microsoft.graph.fileAttachment", **_described(file)}
            whole = json.dumps({**item, "contentBytes": base64.b64encode(file.data).decode()}).encode()
            _taken(await self._call("POST", f"{draft}/attachments", headers=_JSON, body=whole), 201)
            return
        item = {"AttachmentItem": {"attachmentType": "file", "size": len(file.data), **_described(file)}}
        url = f"{draft}/attachments/createUploadSession"
        opened = _taken(await self._call("POST", url, headers=_JSON, body=json.dumps(item).encode()), 201)
        await self._upload(document_of(opened).get("uploadUrl"), file.data)

    async def _upload(self, url: object, data: bytes) -> None:
        """Range after range to an address that is itself the key: it gets no token, and is judged like any other (Z6)."""
        if not isinstance(url, str) or not url:
            raise TransportError(phase=Phase.MAIL, trouble=Trouble.BAD_REPLY)
        for start in range(0, len(data), RANGE):
            block = data[start : start + RANGE]
            end = start + len(block)
            headers = {"Content-Type": "application/octet-stream", "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
            answer = await self._call("PUT", url, headers=headers, body=block, bearer=False)
            _taken(answer, 200 if end < len(data) else 201)

    async def _delete(self, draft: str) -> None:
        """What is left in the mailbox where this fails is a draft that nobody has sent."""
        with suppress(TransportError):
            await self._call("DELETE", draft, headers={})


def _described(file: LargeFile) -> dict[str, object]:
    inline = {"isInline": True, "contentId": file.content_id} if file.content_id else {}
    return {"name": file.name, "contentType": file.content_type, **inline}


def _taken(answer: Answer, expected: int) -> Answer:
    """The answer where it is the one hoped for. Raises TransportError in Phase.MAIL: nothing was sent yet."""
    if answer.status == expected or (expected == 201 and answer.status == 200):
        return answer
    reply = reply_of(answer)
    raise TransportError(phase=Phase.MAIL, reply=reply if reply.code >= 400 else None, trouble=Trouble.BAD_REPLY)
