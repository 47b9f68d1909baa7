import pytest

from llmsvc_server.chat.route import Privacy, strictest


@pytest.mark.parametrize(
    ("modes", "in_force"),
    [
        ((Privacy.CLOUD_ALLOWED, None), Privacy.CLOUD_ALLOWED),
        ((Privacy.CLOUD_ALLOWED, Privacy.LOCAL_ONLY), Privacy.LOCAL_ONLY),
        ((Privacy.LOCAL_ONLY, Privacy.CLOUD_ALLOWED), Privacy.LOCAL_ONLY),
        ((Privacy.LOCAL_ONLY, None), Privacy.LOCAL_ONLY),
    ],
)
def test_the_stricter_mode_is_in_force(
    modes: tuple[Privacy | None, ...], in_force: Privacy
) -> None:
    assert in_force is strictest(modes)
