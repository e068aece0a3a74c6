"""Who an event is of: its ids, and the id of the event itself."""

from __future__ import annotations

import uuid
from typing import Any

from collector.errors import Unacceptable

MAX_ID_LENGTH = 255
MAX_MESSAGE_ID_LENGTH = 100
_EXACT = 2**53  # above it a JSON number may already have lost digits


def identifier(value: Any, field: str, code: str) -> str | None:
    """An id as text: numbers become their digits, blank and null count as absent."""
    if value is None:
        return None
    if type(value) is str and len(value) <= MAX_ID_LENGTH:
        return value.strip() or None
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Unacceptable(code, "must be a string or an integer", path=field)
    value = value.strip()
    if len(value) > MAX_ID_LENGTH:
        raise Unacceptable(
            code, f"{len(value)} characters; {MAX_ID_LENGTH} are allowed", path=field
        )
    return value or None


def check_identity(
    event_type: str,
    user_id: str | None,
    anonymous_id: str | None,
    previous_id: str | None,
    group_id: str | None,
) -> None:
    """Refuse an event that is of nobody, or lacks the second id its type needs."""
    if user_id is None and anonymous_id is None:
        raise Unacceptable("no_user_anon_id", "needs a userId or an anonymousId")
    if event_type == "alias" and previous_id is None:
        raise Unacceptable("missing_previous_id", "alias needs one", path="previousId")
    if event_type == "group" and group_id is None:
        raise Unacceptable("missing_group_id", "group needs one", path="groupId")


def message_id(value: Any) -> str:
    """The id of the event: the client's, or a new one when it sent none."""
    if type(value) is str and len(value) <= MAX_MESSAGE_ID_LENGTH and value.strip():
        return value
    if value is None:
        return str(uuid.uuid4())
    if type(value) is not str or len(value) > MAX_MESSAGE_ID_LENGTH:
        raise Unacceptable(
            "bad_message_id",
            f"must be a string of at most {MAX_MESSAGE_ID_LENGTH} characters",
            path="messageId",
        )
    return value if value.strip() else str(uuid.uuid4())
