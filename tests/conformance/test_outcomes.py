"""docs/features.md says what each provider does, and what callers are told."""

from tests.conformance.outcomes import PAGE, find_outcomes, page


async def test_the_page_says_what_each_request_comes_to() -> None:
    assert page(await find_outcomes()) == PAGE.read_text(encoding="utf-8")
