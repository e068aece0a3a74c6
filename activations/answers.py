"""Answers: what a destination's answer says of each row.

What no rule of the manifest covers means: 2xx delivered; 401 and 403 stop the sync; so
do redirects, and 404, 405, 410 or 501 at an address that is the same for every record;
any other 4xx refuses the batch. What may pass is tried again by the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activations.actions import Operation
from activations.client import Answer
from activations.connectors import Outcome
from activations.destinations import Account
from activations.errors import AuthenticationError, DestinationRefused
from activations.rendering import Entry
from activations.responses import Items, ResponseRule
from activations.session import answer_context
from activations.syncs import Sync
from activations.templates import Renderer, TemplateError

_WRONG_ADDRESS = frozenset({404, 405, 410, 501})


@dataclass(frozen=True)
class Refusal:
    """A batch was refused as a whole; which record is to blame is not known yet."""

    code: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What an answer says: of some rows, of the batch, or nothing (`untold`).

    `named` culprits made the tool refuse the untold rows with them: those go together.
    """

    outcomes: tuple[Outcome, ...] = ()
    untold: tuple[Entry, ...] = ()
    refusal: Refusal | None = None
    named: bool = False

    @property
    def is_success(self) -> bool:
        """Whether every row was taken."""
        is_told = self.refusal is None and not self.untold
        return is_told and all(each.outcome == "succeeded" for each in self.outcomes)


def may_pass(
    account: Account, rules: Sequence[ResponseRule], options: Mapping[str, Any]
) -> Callable[[Answer], bool]:
    """Tells of an answer whether the manifest says to try again."""

    def tell(answer: Answer) -> bool:
        rule = _rule(rules, answer_context(account, answer, options))
        return rule is not None and rule.outcome == "retry"

    return tell


def read_reply(
    account: Account,
    rules: Sequence[ResponseRule],
    answer: Answer,
    options: Mapping[str, Any],
) -> Refusal | None:
    """Why a request that carries no records is refused; None where it is not.

    Raises what stops the whole sync.
    """
    context = answer_context(account, answer, options)
    rule = _rule(rules, context)
    if rule is not None and rule.outcome == "succeeded":
        return None
    if rule is None and 200 <= answer.status < 300:
        return None
    code, message = _reason(rule, answer, context)
    _stop(account, answer, message)
    return Refusal(code=code, message=message)


def must_answer(
    account: Account,
    rules: Sequence[ResponseRule],
    answer: Answer,
    options: Mapping[str, Any],
) -> None:
    """Raise where a request without which nothing can go on is refused."""
    if refusal := read_reply(account, rules, answer, options):
        raise DestinationRefused(
            f"{account.name} answers {answer.status}: {account.redact(refusal.message)}"
        )


def read_answer(
    sync: Sync,
    operation: Operation,
    entries: Sequence[Entry],
    answer: Answer,
    *,
    rules: Sequence[ResponseRule] | None = None,
) -> Verdict:
    """What became of the rows; raises where the answer stops the whole sync.

    The `rules` are the operation's, unless others are given.
    """
    context = answer_context(sync.account, answer, sync.options)
    rule = _rule(operation.responses if rules is None else rules, context)
    code, message = _reason(rule, answer, context)
    if rule is not None:
        if rule.outcome == "partial":
            verdict = _read_items(rule, entries, answer, context)
            if rule.others == "again" and not verdict.named:
                return Verdict(refusal=Refusal(code=code, message=message))
            return verdict
        if rule.outcome == "succeeded":
            ref = _tolerant(rule.renderer("ref"), context)
            return Verdict(outcomes=_all(entries, answer, ref=ref))
        if rule.outcome == "rejected":
            return Verdict(refusal=Refusal(code=code, message=message))
    elif 200 <= answer.status < 300:
        return Verdict(outcomes=_all(entries, answer))
    _stop(sync.account, answer, message)
    is_wrong_address = answer.status in _WRONG_ADDRESS and operation.has_one_address
    if is_wrong_address or rule is not None or answer.status < 200:
        raise DestinationRefused(
            f"{sync.account.name} answers {answer.status}: "
            f"{sync.account.redact(message)}"
        )
    return Verdict(refusal=Refusal(code=code, message=message))


def _stop(account: Account, answer: Answer, message: str) -> None:
    """Raise where the answer speaks of the credential or of another address."""
    status, message = answer.status, account.redact(message)
    if status in (401, 403):
        raise AuthenticationError(
            f"{account.name} does not accept the credential ({status}): {message}"
        )
    if 300 <= status < 400:
        raise DestinationRefused(
            f"{account.name} answers {status}, a redirect to {answer.location}; "
            "redirects are not followed. Set the final address."
        )


def _reason(
    rule: ResponseRule | None, answer: Answer, context: dict[str, Any]
) -> tuple[str, str]:
    """Code and message of an answer, by the rule where it tells."""
    code = message = None
    if rule is not None:
        code = _tolerant(rule.renderer("code"), context)
        message = _tolerant(rule.renderer("message"), context)
    usual = answer.text[:500] or f"answer {answer.status}"
    return str(code or answer.status), str(message or usual)


def _rule(
    rules: Sequence[ResponseRule], context: dict[str, Any]
) -> ResponseRule | None:
    for rule in rules:
        when = rule.renderer("when")
        if rule.covers(context["status"]) and (
            when is None or _tolerant(when, context)
        ):
            return rule
    return None


def _read_items(
    rule: ResponseRule,
    entries: Sequence[Entry],
    answer: Answer,
    context: dict[str, Any],
) -> Verdict:
    """Match what the answer says of single records to the rows that were sent."""
    told: dict[str, Outcome] = {}
    # What speaks of no record of this batch: by another's name, or by none.
    strays = 0
    nameless: list[Callable[[Entry], Outcome]] = []
    for part, make in ((rule.accepted, _accepted), (rule.rejected, _rejected)):
        for item in _items(part, context, len(entries)):
            outcome = make(part, item, answer)
            names = _names(part, item)
            matched = list(_matches(part, item, names, entries))
            told |= {entry.row.key: outcome(entry) for entry in matched}
            strays += not matched
            if not matched and not names and item["position"] is not None:
                nameless.append(outcome)
    untold = [entry for entry in entries if entry.row.key not in told]
    if rule.others == "again":
        return Verdict(
            outcomes=tuple(told.values()), untold=tuple(untold), named=bool(told)
        )
    is_read = _value(rule.rejected, "items", context) is not None
    if rule.accepted is None and is_read and not strays:
        return Verdict(outcomes=(*told.values(), *_all(untold, answer)))
    if len(entries) == 1 and untold:
        if len(nameless) == strays == 1:
            # One record, one item: it can be of no other.
            return Verdict(outcomes=(nameless[0](entries[0]),))
        return Verdict(outcomes=(_unanswered(entries[0], answer),))
    return Verdict(outcomes=tuple(told.values()), untold=tuple(untold))


def _items(
    part: Items | None, context: dict[str, Any], records: int
) -> list[dict[str, Any]]:
    """The contexts of the items that `part` finds in the answer."""
    found = _value(part, "items", context)
    items = found if isinstance(found, list) else []
    is_aligned = len(items) == records
    contexts = [
        {**context, "item": item, "position": number if is_aligned else None}
        for number, item in enumerate(items)
    ]
    when = part.renderer("when") if part is not None else None
    return [each for each in contexts if when is None or _tolerant(when, each)]


def _names(part: Items | None, item: dict[str, Any]) -> set[str]:
    """The keys that an item of the answer names."""
    keys = _value(part, "key", item)
    listed = keys if isinstance(keys, list) else [keys]
    return {str(key) for key in listed if key is not None}


def _matches(
    part: Items | None,
    item: dict[str, Any],
    names: set[str],
    entries: Sequence[Entry],
) -> Iterator[Entry]:
    """The entries that an item of the answer speaks of."""
    known_as = _value(part, "known_as", item)
    if known_as is not None:
        yield from (entry for entry in entries if entry.row.ref == str(known_as))
    index = _value(part, "index", item)
    if type(index) is int and 0 <= index < len(entries):
        yield entries[index]
    for name in names:
        exact = [entry for entry in entries if entry.row.key == name]
        # Tools write e-mail addresses in lower case; that counts while it is clear.
        folded = [e for e in entries if e.row.key.casefold() == name.casefold()]
        yield from exact or (folded if len(folded) == 1 else ())


def _accepted(
    part: Items | None, item: dict[str, Any], answer: Answer
) -> Callable[[Entry], Outcome]:
    return _success(answer, ref=_value(part, "ref", item))


def _rejected(
    part: Items | None, item: dict[str, Any], answer: Answer
) -> Callable[[Entry], Outcome]:
    code = _value(part, "code", item)
    message = _value(part, "message", item)
    return lambda entry: Outcome(
        row=entry.row,
        outcome="rejected",
        code=str(code or answer.status),
        message=str(message or f"answer {answer.status}"),
        attempts=answer.attempts,
        request_ms=answer.request_ms,
    )


def _success(answer: Answer, *, ref: Any = None) -> Callable[[Entry], Outcome]:
    code, attempts, took = str(answer.status), answer.attempts, answer.request_ms
    given = None if ref is None else str(ref)

    def tell(entry: Entry) -> Outcome:
        row = entry.row
        # An update may not repeat the identifier that the insert gave.
        known = row.ref if given is None else given
        return Outcome(row, "succeeded", code, None, known, attempts, took)

    return tell


def _all(
    entries: Sequence[Entry], answer: Answer, *, ref: Any = None
) -> tuple[Outcome, ...]:
    # One identifier can be that of one record only.
    ref = ref if len(entries) == 1 else None
    return tuple(map(_success(answer, ref=ref), entries))


def _unanswered(entry: Entry, answer: Answer) -> Outcome:
    return Outcome(
        row=entry.row,
        outcome="failed",
        code="no_result",
        message=f"The answer {answer.status} does not say what became of the record.",
        attempts=answer.attempts,
        request_ms=answer.request_ms,
    )


def _value(part: Items | None, name: str, context: dict[str, Any]) -> Any:
    return None if part is None else _tolerant(part.renderer(name), context)


def _tolerant(render: Renderer | None, context: dict[str, Any]) -> Any:
    """A value from an answer; None where the destination left it out."""
    if render is None:
        return None
    try:
        return render(context)
    except TemplateError:
        return None
