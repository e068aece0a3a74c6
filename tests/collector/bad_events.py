"""Events that cannot be stored, with the code and the path that say why."""

from __future__ import annotations

from typing import Any

from tests.collector.acceptance import case


def track(**changes: Any) -> dict[str, Any]:
    """A good event, but for the changes."""
    return {"type": "track", "userId": "u", "event": "E", **changes}


_NOBODY = {"type": "track", "event": "E"}
_ALIAS = {"type": "alias", "userId": "u"}
_GROUP = {"type": "group", "userId": "u"}
_MANY = {str(number): 0 for number in range(10_001)}

BAD_EVENTS = [
    case(
        "B49 10,001 properties",
        track(properties=_MANY),
        "too_many_properties",
        "properties",
    ),
    case("B53 batch in batch", {"batch": [track()]}, "bad_type", "type"),
    case("B53 typed batch", track(batch=[track()], type="batch"), "bad_type", "type"),
    case("B55 number", 5, "not_an_object", ""),
    case("B55 null", None, "not_an_object", ""),
    case("B55 text", "text", "not_an_object", ""),
    case("B55 true", True, "not_an_object", ""),
    case("B55 list", [track()], "not_an_object", ""),
    case("B57 too large", track(properties={"a": "x" * 32_768}), "event_too_large", ""),
    case("B58 nobody", _NOBODY, "no_user_anon_id", ""),
    case("B58 blank", track(userId="  ", anonymousId=None), "no_user_anon_id", ""),
    case("B59 true", track(userId=True), "bad_user_id", "userId"),
    case("B59 object", track(userId={}), "bad_user_id", "userId"),
    case("B59 fraction", track(userId=1.5), "bad_user_id", "userId"),
    case("B59 beyond doubles", track(userId=1e40), "bad_user_id", "userId"),
    case("B59 256 characters", track(userId="x" * 256), "bad_user_id", "userId"),
    case("B59 10 KB", track(userId="x" * 10_000), "bad_user_id", "userId"),
    case("B59 list", track(anonymousId=[1]), "bad_anonymous_id", "anonymousId"),
    case("B61 empty", track(event=""), "missing_event_name", "event"),
    case("B61 null", track(event=None), "missing_event_name", "event"),
    case("B61 number", track(event=7), "bad_event_name", "event"),
    case("B61 1,000 characters", track(event="x" * 1_000), "bad_event_name", "event"),
    case("B62 unknown", track(type="trakc"), "bad_type", "type"),
    case("B62 list", track(type=["track"]), "bad_type", "type"),
    case("B62 none", {"userId": "u"}, "bad_type", "type"),
    case("B63 alias", _ALIAS, "missing_previous_id", "previousId"),
    case("B63 group", _GROUP, "missing_group_id", "groupId"),
    case(
        "B64 101 characters", track(messageId="x" * 101), "bad_message_id", "messageId"
    ),
    case("B64 number", track(messageId=5), "bad_message_id", "messageId"),
    case("B69 text", track(properties="a"), "bad_properties", "properties"),
    case("B69 list", track(traits=[1]), "bad_traits", "traits"),
    case("B69 context", track(context="a"), "bad_context", "context"),
    case("B75 number", track(integrations=1), "bad_integrations", "integrations"),
    case("B75 one", track(integrations={"X": 1}), "bad_integrations", "integrations.X"),
    case(
        "B75 no", track(integrations={"X": "no"}), "bad_integrations", "integrations.X"
    ),
]
