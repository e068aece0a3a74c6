from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, SECRET_URL, Answer, Example, Sent, Tool

BEARER = {"authorization": "Bearer s3cret"}
BLOCKS = [{"type": "divider"}]
MESSAGE = {
    "id": "m1",
    "text": "Ada & <!channel> spent > 100",
    "mrkdwn": None,
    "blocks": BLOCKS,
    "total": 120,
}
SHOWN = {"text": "Ada &amp; &lt;!channel&gt; spent &gt; 100", "blocks": BLOCKS}


def message(number: int) -> dict[str, Any]:
    return {"id": f"m{number}", "text": "", "mrkdwn": f"<@U1> has order m{number}!"}


def refusing(refused: Collection[str]) -> Answer:
    """The Web API answers 200 in any case, a webhook by HTTP and in plain text."""

    def answer(got: Got) -> Give:
        is_bad = any(f"order {key}!" in got.body.decode() for key in refused)
        if got.path == "/s3cret":
            return Give(400, b"invalid_blocks") if is_bad else Give(200, b"ok")
        body = {"ok": False, "error": "invalid_blocks"} if is_bad else {"ok": True}
        return Give(200, body | {"ts": "1795341600.000100"})

    return answer


TOOL = Tool(
    settings={"token": SECRET, "webhook_url": SECRET_URL},
    answer=refusing(()),
    refusing=refusing,
    stopping=[
        ("/chat.postMessage", Give(200, {"ok": False, "error": error}))
        for error in ("invalid_auth", "channel_not_found", "not_in_channel")
    ],
    passing=[("/chat.postMessage", Give(200, {"ok": False, "error": "ratelimited"}))],
    examples={
        "message": Example(
            key="id",
            options={"channel": "C0123ABC"},
            rows=[MESSAGE],
            row=message,
            mark=lambda key: f"order {key}!",
            requests=[
                Sent(
                    "POST",
                    "/api/chat.postMessage",
                    json={"channel": "C0123ABC", **SHOWN},
                    headers=BEARER,
                )
            ],
        ),
        "webhook_message": Example(
            key="id",
            rows=[MESSAGE],
            row=message,
            mark=lambda key: f"order {key}!",
            requests=[Sent("POST", "/s3cret", json=SHOWN)],
        ),
    },
)
