"""The block types that a server has from the start, each with a schema so that forms can be shown.

Slugs and fields are those of stock clients; a client that knows more fields of a type adds its own schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..runtime.store import block_types
from ..runtime.store.block_types import NewBlockType
from ..runtime.store.database.database import Database


def _text(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "type": "string", **more}


def _secret(title: str, **more: Any) -> dict[str, Any]:
    return _text(title, format="password", writeOnly=True, **more)


def _mapping(title: str) -> dict[str, Any]:
    return {"title": title, "type": "object", "default": {}}


_NOTIFY = ("notify",)
_FILES = ("read-path", "write-path", "get-directory", "put-directory")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

# Slug: name, what it is for, properties, required ones, paths of secrets, capabilities.
_TYPES: Mapping[str, tuple[str, str, Mapping[str, Any], Sequence[str], Sequence[str], Sequence[str]]] = {
    "secret": (
        "Secret",
        "A value that nobody should read over your shoulder, such as a password or a token.",
        {"value": {"title": "Value", "format": "password", "writeOnly": True}},
        ["value"],
        ["value"],
        (),
    ),
    "webhook": (
        "Webhook",
        "An HTTP address that flows call.",
        {
            "method": _text("Method", default="POST", enum=_METHODS),
            "url": _secret("Url"),
            "headers": _mapping("Headers"),
            "allow_private_urls": {"title": "Allow Private Urls", "type": "boolean", "default": True},
            "verify": {"title": "Verify", "type": "boolean", "default": True},
        },
        ["url"],
        ["url", "headers.*"],
        (),
    ),
    "local-file-system": (
        "Local File System",
        "A folder of the machine on which the flow runs.",
        {"basepath": _text("Basepath")},
        (),
        (),
        _FILES,
    ),
    "remote-file-system": (
        "Remote File System",
        "A place that fsspec can read and write, such as a bucket.",
        {"basepath": _text("Basepath"), "settings": _mapping("Settings")},
        ["basepath"],
        (),
        _FILES,
    ),
    "slack-webhook": (
        "Slack Webhook",
        "Sends notifications to a Slack channel.",
        {"notify_type": _text("Notify Type", default="info"), "url": _secret("Webhook URL")},
        ["url"],
        ["url"],
        _NOTIFY,
    ),
    "ms-teams-webhook": (
        "Microsoft Teams Webhook",
        "Sends notifications to a Microsoft Teams channel.",
        {"notify_type": _text("Notify Type", default="info"), "url": _secret("Webhook URL")},
        ["url"],
        ["url"],
        _NOTIFY,
    ),
    "discord-webhook": (
        "Discord Webhook",
        "Sends notifications to a Discord channel.",
        {
            "notify_type": _text("Notify Type", default="info"),
            "webhook_id": _secret("Webhook Id"),
            "webhook_token": _secret("Webhook Token"),
        },
        ["webhook_id", "webhook_token"],
        ["webhook_id", "webhook_token"],
        _NOTIFY,
    ),
    "mattermost-webhook": (
        "Mattermost Webhook",
        "Sends notifications to a Mattermost channel.",
        {"hostname": _text("Hostname"), "token": _secret("Token")},
        ["hostname", "token"],
        ["token"],
        _NOTIFY,
    ),
    "pager-duty-webhook": (
        "Pager Duty Webhook",
        "Raises incidents in PagerDuty.",
        {"integration_key": _secret("Integration Key"), "api_key": _secret("API Key")},
        ["integration_key", "api_key"],
        ["integration_key", "api_key"],
        _NOTIFY,
    ),
    "opsgenie-webhook": (
        "Opsgenie Webhook",
        "Raises alerts in Opsgenie.",
        {"apikey": _secret("API Key"), "region_name": _text("Region code", default="us")},
        ["apikey"],
        ["apikey"],
        _NOTIFY,
    ),
    "twilio-sms": (
        "Twilio SMS",
        "Sends notifications as text messages.",
        {
            "account_sid": _text("Account Sid"),
            "auth_token": _secret("Auth Token"),
            "from_phone_number": _text("From Phone Number"),
            "to_phone_numbers": {
                "title": "To Phone Numbers",
                "type": "array",
                "items": {"type": "string"},
            },
        },
        ["account_sid", "auth_token", "from_phone_number", "to_phone_numbers"],
        ["auth_token"],
        _NOTIFY,
    ),
    "sendgrid-email": (
        "Sendgrid Email",
        "Sends notifications as mails through SendGrid.",
        {
            "api_key": _secret("API Key"),
            "sender_email": _text("Sender email id"),
            "to_emails": {"title": "Recipient emails", "type": "array", "items": {"type": "string"}},
        },
        ["api_key", "sender_email", "to_emails"],
        ["api_key"],
        _NOTIFY,
    ),
    "custom-webhook": (
        "Custom Webhook",
        "Sends notifications to any HTTP address, in a form of your own.",
        {
            "name": _text("Name"),
            "url": _text("Webhook URL"),
            "method": _text("Method", default="POST", enum=_METHODS),
            "params": _mapping("Query Params"),
            "json_data": _mapping("JSON Data"),
            "form_data": _mapping("Form Data"),
            "headers": _mapping("Headers"),
            "cookies": _mapping("Cookies"),
            "timeout": {"title": "Timeout", "type": "number", "default": 10},
            "secrets": _mapping("Custom Secret Values"),
        },
        ["name", "url"],
        ["secrets.*"],
        _NOTIFY,
    ),
}


async def ensure_system_blocks(db: Database) -> None:
    """Make the block types of the server that are missing, each with its schema."""
    known = {row.slug for row in await block_types.find(db)}
    missing = [_block(slug) for slug in _TYPES if slug not in known]
    if missing:
        await block_types.install(db, missing)


def _block(slug: str) -> tuple[NewBlockType, dict[str, Any], list[str]]:
    name, description, properties, required, secrets, capabilities = _TYPES[slug]
    fields = {
        "title": name.replace(" ", ""),
        "description": description,
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "block_type_slug": slug,
        "block_schema_references": {},
        "secret_fields": list(secrets),
    }
    new = NewBlockType(name, slug, description=description, is_protected=True)
    return new, fields, list(capabilities)
