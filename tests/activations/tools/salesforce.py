from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

TOKEN = "t-1"  # noqa: S105 - a token of the scripted server
BEARER = {"authorization": f"Bearer {TOKEN}"}
DATA = "/services/data/v65.0"
ADA = {
    "Kith_Id__c": "k1",
    "Email": "ada@example.com",
    "Vip__c": True,
    "Fax": None,
    "Account": {"Ext__c": "A1"},
}
BOB = {
    "Kith_Id__c": "k2",
    "Email": None,
    "Vip__c": False,
    "Fax": "1",
    "Account": {"Ext__c": "A2"},
}
ATTRIBUTES = {"attributes": {"type": "Contact"}}
ASK = Sent(
    "POST",
    "/services/oauth2/token",
    form={
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": "s3cret",
    },
)


def row(number: int) -> dict[str, Any]:
    return {"Kith_Id__c": f"k{number}", "Email": f"p{number}@x.io", "Fax": None}


def refusing(refused: Collection[str]) -> Answer:
    """Results stand in the order of the records."""

    def answer(got: Got) -> Give:
        if got.path == "/services/oauth2/token":
            return Give(200, {"access_token": TOKEN, "token_type": "Bearer"})
        if got.method == "GET":
            return Give(200, {"DailyApiRequests": {"Max": 15000, "Remaining": 14998}})
        if got.method == "DELETE":
            ids = got.path.partition("ids=")[2].partition("&")[0].split("%2C")
            return Give(200, [{"id": i, "success": True, "errors": []} for i in ids])
        keys = [each["Kith_Id__c"] for each in got.json["records"]]
        return Give(200, [_result(key, refused) for key in keys])

    return answer


def _result(key: str, refused: Collection[str]) -> dict[str, Any]:
    if key not in refused:
        return {"id": f"003-{key}", "success": True, "errors": [], "created": True}
    error = {
        "statusCode": "INVALID_EMAIL_ADDRESS",
        "message": "Email: invalid email address",
        "fields": ["Email"],
    }
    return {"success": False, "errors": [error]}


def error(code: str) -> list[dict[str, Any]]:
    return [{"message": "It is so.", "errorCode": code}]


TOOL = Tool(
    settings={"domain": "acme", "client_id": "app", "client_secret": SECRET},
    answer=refusing(()),
    refusing=refusing,
    stopping=[("/composite/", Give(404, error("NOT_FOUND")))],
    passing=[("/composite/", Give(403, error("REQUEST_LIMIT_EXCEEDED")))],
    examples={
        "records": Example(
            key="Kith_Id__c",
            options={"object": "Contact", "external_id": "Kith_Id__c"},
            rows=[ADA, BOB],
            row=row,
            mark=lambda key: f'"{key}"',
            requests=[
                ASK,
                Sent(
                    "PATCH",
                    f"{DATA}/composite/sobjects/Contact/Kith_Id__c",
                    json={
                        "allOrNone": False,
                        "records": [ATTRIBUTES | ADA, ATTRIBUTES | BOB],
                    },
                    headers=BEARER,
                ),
            ],
            leaving=[
                ASK,
                Sent(
                    "DELETE",
                    f"{DATA}/composite/sobjects?ids=003-k1%2C003-k2&allOrNone=false",
                    headers=BEARER,
                ),
            ],
        ),
    },
)
