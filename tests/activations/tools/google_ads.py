from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

HEADERS = {
    "authorization": "Bearer t0ken",
    "login-account": "accountTypes/GOOGLE_ADS/accounts/9998887777",
}
LISTS = "/v1/accountTypes/GOOGLE_ADS/accounts/1234567890/userLists"
# https://developers.google.com/data-manager/api/devguides/audiences/send-audience-members
DANA = "07e2f1394b0ea80e2adca010ea8318df697001a005ba7452720edda4b0ce57b3"
# https://developers.google.com/data-manager/api/devguides/concepts/formatting
PHONE = "+18005550100"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def person(email: str, **more: Any) -> dict[str, Any]:
    empty = ("phone", "first_name", "last_name", "country", "postcode")
    return {"email": email} | dict.fromkeys(empty) | more


ALL = person(
    "Dana@example.com ",
    phone="(800) 555-0100",
    first_name=" Dana",
    last_name="Mc Kay",
    country="us",
    postcode="94043-1234",
)
SOME = person("dan.a+x@gmail.com", first_name="Dan", country="CH")


def row(number: int) -> dict[str, Any]:
    return ALL | {"email": f"p{number}@example.com"}


def refusing(refused: Collection[str]) -> Answer:
    """The Data Manager API, to which the members with these keys are malformed."""
    bad = {sha(key) for key in refused}

    def answer(got: Got) -> Give:
        if got.path == "/token":
            return Give(200, {"access_token": "t0ken", "expires_in": 3599})
        if got.path.startswith(LISTS):
            return Give(200, {"id": "77"} if got.method == "POST" else {})
        named = [
            number
            for number, member in enumerate(got.json["audienceMembers"])
            if bad & {*member["userData"]["userIdentifiers"][0].values()}
        ]
        return malformed(named) if named else Give(200, {"requestId": "r1"})

    return answer


def malformed(named: Collection[int]) -> Give:
    violations = [
        {
            "field": f"audience_members.audience_members[{number}].user_data"
            ".user_identifiers",
            "description": "Email is not hex encoded.",
            "reason": "INVALID_HEX_ENCODING",
        }
        for number in named
    ]
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "INVALID_ARGUMENT",
            "domain": "datamanager.googleapis.com",
        },
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": violations,
        },
    ]
    error = {
        "code": 400,
        "message": "There was a problem with the request.",
        "status": "INVALID_ARGUMENT",
        "details": details,
    }
    return Give(400, {"error": error})


def no_destination() -> Give:
    violation = {
        "field": "destinations.destinations[0].product_destination_id",
        "description": "The destination cannot be found.",
        "reason": "INVALID_DESTINATION",
    }
    details = [{"@type": "x.BadRequest", "fieldViolations": [violation]}]
    error = {"code": 400, "message": "There was a problem.", "details": details}
    return Give(400, {"error": error | {"status": "INVALID_ARGUMENT"}})


BEFORE = [
    Sent(
        "POST",
        "/token",
        form={
            "grant_type": "refresh_token",
            "client_id": "client",
            "client_secret": "s3cret",
            "refresh_token": "s3cret",
        },
    ),
    Sent("GET", f"{LISTS}?filter=display_name+%3D+%22VIPs%22", headers=HEADERS),
    Sent(
        "POST",
        LISTS,
        json={
            "displayName": "VIPs",
            "description": "Members are kept by Kith.",
            "membershipStatus": "OPEN",
            "membershipDuration": "46656000s",
            "ingestedUserListInfo": {
                "uploadKeyTypes": ["CONTACT_ID"],
                "contactIdInfo": {"dataSourceType": "DATA_SOURCE_TYPE_FIRST_PARTY"},
            },
        },
        headers=HEADERS,
    ),
]
DESTINATIONS = [
    {
        "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": "1234567890"},
        "loginAccount": {"accountType": "GOOGLE_ADS", "accountId": "9998887777"},
        "productDestinationId": "77",
    }
]


def member(*identifiers: dict[str, Any]) -> dict[str, Any]:
    return {"userData": {"userIdentifiers": list(identifiers)}}


ADDRESS = {
    "givenName": sha("dana"),
    "familyName": sha("mc kay"),
    "regionCode": "US",
    "postalCode": "94043-1234",
}

TOOL = Tool(
    settings={
        "customer_id": "123-456-7890",
        "login_customer_id": "999-888-7777",
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": SECRET,
    },
    answer=refusing(()),
    refusing=refusing,
    stopping=[
        (":ingest", no_destination()),
        (":ingest", Give(404, {"error": {"message": "Requested entity not found."}})),
        ("/userLists", Give(400, {"error": {"message": "Invalid filter."}})),
    ],
    examples={
        "audience": Example(
            key="email",
            options={"audience": "VIPs", "ad_user_data": "granted"},
            rows=[ALL, SOME],
            row=row,
            mark=sha,
            requests=[
                *BEFORE,
                Sent(
                    "POST",
                    "/v1/audienceMembers:ingest",
                    json={
                        "destinations": DESTINATIONS,
                        "audienceMembers": [
                            member(
                                {"emailAddress": DANA},
                                {"phoneNumber": sha(PHONE)},
                                {"address": ADDRESS},
                            ),
                            member({"emailAddress": sha("dana@gmail.com")}),
                        ],
                        "consent": {
                            "adUserData": "CONSENT_GRANTED",
                            "adPersonalization": "CONSENT_STATUS_UNSPECIFIED",
                        },
                        "encoding": "HEX",
                        "termsOfService": {
                            "customerMatchTermsOfServiceStatus": "ACCEPTED"
                        },
                    },
                    headers={"authorization": "Bearer t0ken"},
                ),
            ],
            leaving=[
                *BEFORE,
                Sent(
                    "POST",
                    "/v1/audienceMembers:remove",
                    json={
                        "destinations": DESTINATIONS,
                        "audienceMembers": [
                            member({"emailAddress": DANA}),
                            member({"emailAddress": sha("dana@gmail.com")}),
                        ],
                        "encoding": "HEX",
                    },
                ),
            ],
        ),
    },
)
