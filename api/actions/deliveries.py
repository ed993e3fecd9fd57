"""Messages to the outside: webhooks and notifications, as blocks describe where they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import UUID

import orjson

from ...runtime.foundation.errors import NotFound
from ...runtime.store import block_documents
from ...runtime.store.automation_actions import DueAction
from ...runtime.store.block_documents import BlockDocumentRow
from ...runtime.store.database.database import Database
from ...runtime.values.json_texts import texts_replaced
from .outcome import ActionFailed, Outcome
from .outgoing import Request, send
from .templates import Writer

_SHOWN_CHARACTERS = 1_000
_HIDDEN_HEADERS = ("authorization", "cookie", "token", "key", "secret")


async def call_webhook(db: Database, due: DueAction, outcome: Outcome) -> None:
    """Send the payload to the address in a webhook block."""
    block = await _block(db, due, outcome)
    if block.schema.block_type.slug != "webhook":
        raise ActionFailed("The referenced block was not a webhook block")
    payload = await Writer(db, due).write(due.action.get("payload") or "")
    fields = block.data
    given = cast("dict[str, Any]", fields.get("headers") or {})
    headers = {name: str(value) for name, value in given.items()}
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json" if _is_json(payload) else "text/plain; charset=utf-8"
    request = Request(str(fields.get("method") or "POST"), str(fields["url"]), headers, payload.encode())
    verify = bool(fields.get("verify", True))
    await _send(request, outcome, verify=verify, anywhere=_may_go_anywhere(fields))


async def send_notification(db: Database, due: DueAction, outcome: Outcome) -> None:
    """Send subject and body to the address in a notification block."""
    block = await _block(db, due, outcome)
    writer = Writer(db, due)
    subject = await writer.write(due.action.get("subject") or "")
    body = await writer.write(due.action["body"])
    await notify(block, subject, body, outcome)


async def notify(block: BlockDocumentRow, subject: str, body: str, outcome: Outcome) -> None:
    """Send a message to the address in a notification block, and note the answer. Raises ActionFailed."""
    slug = block.schema.block_type.slug
    write = _NOTIFIERS.get(slug)
    if write is None:
        known = ", ".join(sorted(_NOTIFIERS))
        raise ActionFailed(f"This server cannot notify by blocks of type {slug}; it can by {known}")
    try:
        request = write(block.data, subject, body)
    except KeyError as error:
        raise ActionFailed(f"The notification block lacks {error.args[0]}") from error
    await _send(request, outcome, anywhere=_may_go_anywhere(block.data))
    if outcome.details["status_code"] >= 400:
        raise ActionFailed("Notification failed")


async def _block(db: Database, due: DueAction, outcome: Outcome) -> BlockDocumentRow:
    document_id = UUID(due.action["block_document_id"])
    try:
        block = await block_documents.read(db, document_id, secrets=True)
    except NotFound as error:
        raise ActionFailed(f"There is no block document {document_id}") from error
    outcome.concerns("block-document", block.id, "block", block.name)
    outcome.concerns("block-type", block.schema.block_type.slug, "block-type")
    return block


async def _send(request: Request, outcome: Outcome, *, verify: bool = True, anywhere: bool) -> None:
    reply = await send(request, verify=verify, anywhere=anywhere)
    shown = {
        name: value
        for name, value in reply.headers.items()
        if not any(word in name.lower() for word in _HIDDEN_HEADERS)
    }
    outcome.details |= {
        "status_code": reply.status_code,
        "response_body": reply.text[:_SHOWN_CHARACTERS],
        "response_headers": shown,
    }


def _may_go_anywhere(fields: Mapping[str, Any]) -> bool:
    return bool(fields.get("allow_private_urls", True))


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _json_request(url: str, value: Any, headers: Mapping[str, str] | None = None) -> Request:
    typed = {"Content-Type": "application/json", **(headers or {})}
    return Request("POST", url, typed, orjson.dumps(value))


def _slack(fields: Mapping[str, Any], subject: str, body: str) -> Request:
    return _json_request(fields["url"], {"text": f"*{subject}*\n{body}"})


def _teams(fields: Mapping[str, Any], subject: str, body: str) -> Request:
    texts = [{"type": "TextBlock", "text": text, "wrap": True} for text in (subject, body)]
    texts[0] |= {"weight": "bolder"}
    card = {"type": "AdaptiveCard", "version": "1.4", "body": texts}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return _json_request(fields["url"], {"type": "message", "attachments": [attachment]})


def _discord(fields: Mapping[str, Any], subject: str, body: str) -> Request:
    url = f"https://discord.com/api/webhooks/{fields['webhook_id']}/{fields['webhook_token']}"
    return _json_request(url, {"content": f"**{subject}**\n{body}"[:2_000]})


def _mattermost(fields: Mapping[str, Any], subject: str, body: str) -> Request:
    url = f"https://{fields['hostname']}/hooks/{fields['token']}"
    return _json_request(url, {"text": f"**{subject}**\n{body}"})


def _custom(fields: Mapping[str, Any], subject: str, body: str) -> Request:
    """The block's own request, with `{{subject}}`, `{{body}}`, `{{name}}` and its secrets in their place."""
    secrets: Any = fields.get("secrets") or {}
    values = {**secrets, "subject": subject, "body": body, "name": fields.get("name") or ""}
    url = _filled(fields["url"], values)
    headers = _filled(fields.get("headers") or {}, values)
    json_body, form = fields.get("json_data"), fields.get("form_data")
    method = str(fields.get("method") or "POST")
    if json_body is not None:
        _, url, headers, content = _json_request(url, _filled(json_body, values), headers)
        return Request(method, url, headers, content)
    if form is not None:
        from urllib.parse import urlencode

        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return Request(method, url, headers, urlencode(_filled(form, values)).encode())
    return Request(method, url, headers, b"")


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    def filled(text: str) -> str:
        for name, filling in values.items():
            for written in (f"{{{{{name}}}}}", f"{{{{ {name} }}}}"):
                text = text.replace(written, str(filling))
        return text

    return texts_replaced(value, filled)


_NOTIFIERS: dict[str, Callable[[Mapping[str, Any], str, str], Request]] = {
    "slack-webhook": _slack,
    "ms-teams-webhook": _teams,
    "discord-webhook": _discord,
    "mattermost-webhook": _mattermost,
    "custom-webhook": _custom,
}
