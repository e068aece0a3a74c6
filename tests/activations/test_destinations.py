"""Accounts: every problem is found when the file is read, and told with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from activations.destinations import Account, load_destinations
from activations.errors import ConfigError
from activations.manifest import load_catalog
from activations.redaction import redact
from activations.syncs import DESTINATIONS

CATALOG = load_catalog()


def read(tmp_path: Path, text: str, **environ: str) -> dict[str, Account]:
    file = tmp_path / "destinations.yml"
    file.write_text(text, encoding="utf-8")
    return load_destinations(file, catalog=CATALOG, environ=environ)


def problems(tmp_path: Path, text: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, **environ)
    return caught.value.problems


def test_the_committed_accounts_need_no_environment() -> None:
    accounts = load_destinations(DESTINATIONS, catalog=CATALOG, environ={})
    assert all(not account.unresolved for account in accounts.values())
    assert accounts["crm"].settings["url"] == "http://127.0.0.1:8013/crm"
    environ = {"KITH_CRM_URL": "http://127.0.0.1:8099/x", "KITH_DATA_DIR": "/srv/kith"}
    accounts = load_destinations(DESTINATIONS, catalog=CATALOG, environ=environ)
    assert accounts["crm"].settings["url"] == "http://127.0.0.1:8099/x"
    assert accounts["files"].settings["location"] == "/srv/kith/exports"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = """
hub:
  manifest: hubspt
shop:
  manifest: webhook
  setings: {}
Bad-Name:
  manifest: postgres
  settings: {host: db.example.com, database: d, user: u, colour: red, port: "5432"}
hook:
  manifest: webhook
  private_network: maybe
post:
  manifest: webhook
  settings: {url: https://example.com, method: GET}
lone:
  manifest: webhook
"""
    found = "\n".join(problems(tmp_path, text))
    for expected in (
        "destinations.yml:3: hub.manifest: there is no manifest 'hubspt'. Manifests: ",
        "destinations.yml:6: shop.setings: there is no such key here",
        "destinations.yml:7: Bad-Name: a name is lower-case",
        "colour: 'Postgres' has no such setting. Settings: host, port, database, ",
        "port: needs a value of type integer, found str.",
        "destinations.yml:12: hook.private_network:",
        "method: 'GET' is not possible. Values: POST, PUT, PATCH.",
        "destinations.yml:16: lone.settings: 'url' is not set",
    ):
        assert expected in found, f"{expected!r} is missing in\n{found}"


@pytest.mark.parametrize(
    "value",
    [
        "pat-na1-11111111",
        "{{ 'pat-na1-11111111' }}",
        "{{ env_var('TOKEN', 'pat-na1-11111111') }}",
        "pat-{{ env_var('TOKEN') }}",
        "{{ env_var('TOKEN') + 'x' }}",
        "12345",
    ],
)
def test_secrets_never_stand_in_the_file(tmp_path: Path, value: str) -> None:
    text = f'hub:\n  manifest: hubspot\n  settings: {{access_token: "{value}"}}\n'
    (problem,) = problems(tmp_path, text, TOKEN="t")  # noqa: S106 - a made-up one
    assert problem.startswith("destinations.yml:3: hub.settings.access_token: ")
    assert "secret_in_config" in problem
    assert "11111111" not in problem


@pytest.mark.parametrize(
    "name", ["Authorization", "X-Api-Key", "Cookie", "X-Auth-Token", "client_secret"]
)
def test_headers_that_carry_credentials_are_secrets(tmp_path: Path, name: str) -> None:
    def text(value: str) -> str:
        return (
            "hook:\n  manifest: webhook\n  settings:\n    url: https://example.com\n"
            f'    headers: {{{name}: "{value}"}}\n'
        )

    (problem,) = problems(tmp_path, text("s3cret"))
    assert "secret_in_config" in problem
    value = "Bearer {{ env_var('KEY') }}"
    account = read(tmp_path, text(value), KEY="s3cret")["hook"]
    assert account.settings["headers"] == {name: "Bearer s3cret"}
    assert account.redact("got s3cret") == "got ***"
    assert "s3cret" not in repr(account)


def in_json(text: str) -> str:
    """The text as JSON has it, and PHP has a slash."""
    return json.dumps(text)[1:-1].replace("/", r"\/")


# Python's ways, JavaScript's, Go's, what PHP makes of a slash, and some of them twice.
WRITERS: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    quote_plus,
    partial(quote, safe="!'()*"),
    lambda text: re.sub("%..", lambda code: code[0].lower(), quote(text, safe="")),
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: in_json(text).replace("&", r"\u0026"),
    lambda text: in_json(in_json(text)),
    lambda text: quote(quote_plus(text)),
)


@settings(max_examples=60)
@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=9),
    write=st.sampled_from(WRITERS),
)
@example("s3cret+/=& 0", quote)
@example("s3cret+/=&\\ 0", WRITERS[-1])
@example('s3cret+/=&\\ 0"', WRITERS[-2])
def test_a_secret_is_told_in_no_spelling(
    secret: str, write: Callable[[str], str]
) -> None:
    text = f"before {write(secret)} after"
    assert redact(text, ("other", secret)) == "before *** after"


def test_of_a_secret_that_begins_like_another_one_nothing_is_told() -> None:
    assert redact("a: s3cret-b, s3cret", ("s3cret", "s3cret-b")) == "a: ***, ***"
    assert redact("of no consequence", ("", "\udcff")) == "of no consequence"


def test_an_unset_variable_is_a_problem_of_its_account_only(tmp_path: Path) -> None:
    text = (
        "hub:\n  manifest: hubspot\n"
        "  settings: {access_token: \"{{ env_var('TOKEN') }}\"}\n"
        "files:\n  manifest: files\n  settings: {location: out}\n"
    )
    for environ in ({}, {"TOKEN": ""}):
        accounts = read(tmp_path, text, **environ)
        (problem,) = accounts["hub"].unresolved
        assert "destinations.yml:3: hub.settings.access_token" in problem
        assert "TOKEN is not set" in problem
        assert accounts["files"].unresolved == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {manifest: files\n", "is not YAML"),
        ("- a\n", "is not a mapping"),
        ("a: 5\n", "destinations.yml:1: a:"),
        ("a:\n  manifest: files\na:\n  manifest: webhook\n", ":3: the key 'a' stands"),
        ("a: {manifest: files, settings: {location: '{{ x }}'}}", "uses x"),
        ("a: {manifest: files, settings: {location: ''}}", "is empty"),
        ("a: {manifest: files, settings: {location: 5}}", "type string, found int"),
    ],
)
def test_broken_files_are_told_apart(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in "\n".join(problems(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yml: cannot be read"):
        load_destinations(tmp_path / "nowhere.yml", catalog=CATALOG, environ={})
