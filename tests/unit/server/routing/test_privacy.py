"""The privacy gate (docs/privacy.md): what it refuses is looked at no further, whoever named it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import SERVERS_ROUTING, Routing
from llmsvc_server.chat.route import Locality, Privacy
from llmsvc_server.errors import LlmsvcError, ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.plan import Plan
from llmsvc_server.routing.router import FailoverRouter
from llmsvc_server.routing.targets import Candidate, Target, Targets
from tests.fakes.assembled import everyday_held
from tests.fakes.chances import NO_PAUSE
from tests.fakes.receipts import a_receipt, tried
from tests.fakes.requests import chat_request, in_s
from tests.fakes.scripted_provider import catalogue_of
from tests.fakes.watching import inventory_over
from tests.unit.server.routing.asking import Given, ask
from tests.unit.server.routing.candidates import info_of, named
from tests.unit.server.routing.plans import (
    ALLOWED,
    LOCAL_ONLY,
    cloud,
    local,
    planned,
    scripted,
    seen,
)

LOCALLY = Routing(privacy=LOCAL_ONLY)


def causes(made: Plan) -> list[str]:
    """Return who forbade each forbidden target."""
    failures = [one for one in made.entries if isinstance(one, ProviderError)]
    return [one.cause for one in failures if one.kind is ErrorKind.REMOTE_REFUSED]


async def asked(
    *sequence: Target,
    routing: Routing = SERVERS_ROUTING,
    model: str = "",
    receipt: Receipt | None = None,
) -> tuple[Given, LlmsvcError | None]:
    """Return what the router gives, and what it raises."""
    sources = {one.info.name: scripted(one) for one in sequence if one.is_listed}
    inventory = inventory_over(sources)
    for name in sources:
        await inventory.refresh(name, name)
    router = FailoverRouter(
        Targets(sequence=sequence),
        inventory,
        remote_when_busy=True,
        held=everyday_held(),
        rng=NO_PAUSE,
    )
    given = Given()
    try:
        request = chat_request(model=model, routing=routing)
        await ask(router, request, in_s(60), receipt or a_receipt(), given)
    except LlmsvcError as error:
        return given, error
    return given, None


@pytest.mark.parametrize(
    ("operator", "asked", "mode", "cause"),
    [
        (ALLOWED, LOCAL_ONLY, LOCAL_ONLY, "request"),
        (LOCAL_ONLY, ALLOWED, LOCAL_ONLY, "operator"),
        (LOCAL_ONLY, None, LOCAL_ONLY, "operator"),
        (ALLOWED, None, ALLOWED, ""),
        (ALLOWED, ALLOWED, ALLOWED, ""),
    ],
)
async def test_the_stricter_policy_holds(
    operator: Privacy, asked: Privacy | None, mode: Privacy, cause: str
) -> None:
    made = await planned(
        local("ollama", "phi3"),
        cloud("openai", "gpt"),
        privacy=operator,
        routing=Routing(privacy=asked),
    )
    _, remote = made.entries

    assert mode is made.privacy
    if cause:
        assert isinstance(remote, ProviderError)
        assert remote.kind is ErrorKind.REMOTE_REFUSED
        assert cause == remote.cause
    else:
        assert isinstance(remote, Candidate)


WITHHELD: Mapping[str, ProviderError] = {
    name: ProviderError(kind, provider=info_of(name), called=False, cause=cause)
    for name, kind, cause in (
        ("claude", ErrorKind.REMOTE_REFUSED, "operator"),
        ("openai", ErrorKind.MISCONFIGURED, "inactive"),
    )
}


async def test_who_is_withheld_stays_out_of_the_sequence() -> None:
    made = await planned(local("ollama", "phi3"), withheld=WITHHELD)

    assert [("ollama", "phi3")] == seen(made)


async def test_who_is_withheld_is_so_where_it_is_named() -> None:
    made = await planned(
        local("ollama", "phi3"),
        withheld=WITHHELD,
        routing=named(("claude", ""), ("openai", "gpt")),
    )

    assert [("claude", ErrorKind.REMOTE_REFUSED), ("openai", ErrorKind.MISCONFIGURED)] == seen(made)
    assert ["", "gpt"] == [one.model for one in made.entries]


async def test_what_a_withheld_one_lacks_is_told_to_nobody_who_may_not_use_it() -> None:
    made = await planned(
        local("ollama", "phi3"),
        withheld=WITHHELD,
        routing=named(("openai", ""), privacy=LOCAL_ONLY),
    )

    assert [("openai", ErrorKind.REMOTE_REFUSED)] == seen(made)
    assert ["request"] == causes(made)


@pytest.mark.parametrize(
    ("operator", "request_", "cause"),
    [(ALLOWED, LOCAL_ONLY, "request"), (LOCAL_ONLY, None, "operator")],
)
@pytest.mark.parametrize("model", ["", "gpt", "no-such-model"])
async def test_a_named_cloud_is_forbidden_whatever_is_asked_of_it(
    operator: Privacy, request_: Privacy | None, cause: str, model: str
) -> None:
    narrow = cloud("openai", "gpt", configured_only=True, window_tokens=1)
    made = await planned(
        local("ollama", "phi3"),
        narrow,
        privacy=operator,
        routing=named(("openai", model), privacy=request_),
        text="far too long for it",
    )

    assert [("openai", ErrorKind.REMOTE_REFUSED)] == seen(made)
    assert [cause] == causes(made)


async def test_no_prompt_is_measured_for_a_forbidden_target() -> None:
    made = await planned(
        local("ollama", "phi3"),
        cloud("openai", "gpt", window_tokens=1),
        routing=LOCALLY,
        text="far too long for it",
    )

    assert [("ollama", "phi3"), ("openai", ErrorKind.REMOTE_REFUSED)] == seen(made)


async def test_a_clouds_model_is_forbidden_and_a_typo_is_none() -> None:
    targets = (local("ollama", "phi3"), cloud("openai", "gpt", aliases={"big": "gpt-big"}))
    of_cloud = await planned(*targets, model="big", routing=LOCALLY)
    typo = await planned(*targets, model="bigg", routing=LOCALLY)

    assert [("ollama", ErrorKind.MODEL_MISSING), ("openai", ErrorKind.REMOTE_REFUSED)] == seen(
        of_cloud
    )
    assert [("ollama", ErrorKind.MODEL_MISSING), ("openai", ErrorKind.MODEL_MISSING)] == seen(typo)


def forwards(model: str, *, allows_remote: bool) -> Target:
    """Return a local provider that has `model` run elsewhere."""
    target = local("ollama", "phi3", model, allows_remote=allows_remote)
    scripted(target).listing = replace(catalogue_of(["phi3", model]), remote=frozenset({model}))
    return target


@pytest.mark.parametrize(
    ("allows", "operator", "request_", "expected", "cause"),
    [
        (False, ALLOWED, None, ErrorKind.REMOTE_REFUSED, ["operator"]),
        (True, ALLOWED, None, "gpt:cloud", []),
        (True, ALLOWED, LOCAL_ONLY, ErrorKind.REMOTE_REFUSED, ["request"]),
        (True, LOCAL_ONLY, ALLOWED, ErrorKind.REMOTE_REFUSED, ["operator"]),
    ],
)
async def test_a_local_ones_remote_model_is_a_remote_target(
    operator: Privacy,
    request_: Privacy | None,
    expected: str,
    cause: list[str],
    *,
    allows: bool,
) -> None:
    made = await planned(
        forwards("gpt:cloud", allows_remote=allows),
        model="gpt:cloud",
        privacy=operator,
        routing=Routing(privacy=request_),
    )
    (entry,) = made.entries
    info = entry.info if isinstance(entry, Candidate) else entry.provider
    assert info is not None

    assert [("ollama", expected)] == seen(made)
    assert cause == causes(made)
    assert Locality.REMOTE is info.locality


async def test_a_local_failure_is_told_with_what_privacy_kept_away() -> None:
    remote, receipt = cloud("openai", "gpt"), a_receipt()
    given, error = await asked(
        local("ollama", "phi3", steps=[ProviderError(ErrorKind.TRANSIENT)]),
        remote,
        routing=LOCALLY,
        receipt=receipt,
    )

    assert isinstance(error, ProviderError)
    assert error.kind is ErrorKind.TRANSIENT
    assert "privacy" == error.failover_blocked
    assert ["PROVIDER_ERROR", "PROVIDER_ERROR", "ROUTE_FORBIDDEN"] == [
        attempt.reason for attempt in tried(receipt)
    ]
    assert [] == scripted(remote).calls
    assert given.route is None


async def test_the_primarys_own_model_that_is_missing_is_told_so_and_not_as_forbidden() -> None:
    primary = local("ollama", "phi3")
    scripted(primary).listing = catalogue_of([])
    _, error = await asked(primary, cloud("openai", "gpt"), routing=LOCALLY, model="phi3")

    assert isinstance(error, ProviderError)
    assert (ErrorKind.MODEL_MISSING, "privacy") == (error.kind, error.failover_blocked)


async def test_a_call_that_names_only_forbidden_targets_is_forbidden() -> None:
    remote, receipt = cloud("openai", "gpt"), a_receipt()
    _, error = await asked(
        local("ollama", "phi3"),
        remote,
        routing=named(("openai", ""), privacy=LOCAL_ONLY),
        receipt=receipt,
    )

    assert isinstance(error, ProviderError)
    assert error.kind is ErrorKind.REMOTE_REFUSED
    assert ("request", "") == (error.cause, error.failover_blocked)
    assert [(None, False)] == [
        (attempt.elapsed_s, attempt.content_sent) for attempt in tried(receipt)
    ]
    assert [] == scripted(remote).calls
