"""What importing the package gives, and what it costs."""

import subprocess
import sys

import pytest

import llmsvc_client


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    return subprocess.run(  # noqa: S603  our own interpreter and code
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_every_public_name_is_there() -> None:
    assert dict.fromkeys(llmsvc_client.__all__, True) == {
        name: hasattr(llmsvc_client, name) for name in llmsvc_client.__all__
    }
    assert llmsvc_client.__all__ == dir(llmsvc_client)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = llmsvc_client.nonsense  # type: ignore[attr-defined]  # on purpose


def test_importing_the_package_imports_no_grpc() -> None:
    result = python("import sys, llmsvc_client; print('grpc' in sys.modules)")

    assert ("False\n", "") == (result.stdout, result.stderr)


ALL_BUT_EXTRAS = """
import sys
for extra in ("typer", "rich", "grpc_health"):
    sys.modules[extra] = None
from llmsvc_client import *
print(any(name.startswith("llmsvc_server") for name in sys.modules))
"""


def test_the_library_needs_no_extra_and_no_server() -> None:
    result = python(ALL_BUT_EXTRAS)

    assert ("False\n", "") == (result.stdout, result.stderr)


HEALTH_WITHOUT_EXTRA = """
import sys
sys.modules["grpc_health"] = None
from llmsvc_client import BlockingClient
try:
    BlockingClient("127.0.0.1:1").health()
except ImportError as error:
    print(error)
"""


def test_health_without_the_extra_says_what_to_install() -> None:
    result = python(HEALTH_WITHOUT_EXTRA)

    assert "health needs an extra: pip install 'llmsvc[cli]'\n" == result.stdout


COMMAND_WITHOUT_EXTRA = """
import sys
sys.modules[sys.argv.pop()] = None
from llmsvc_client.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        ((), "typer"),
        ((), "annotated_doc"),
        ((), "shellingham"),
        (("health",), "grpc_health"),  # asked without typer
    ],
)
def test_the_command_without_a_package_of_the_extra_says_what_to_install(
    arguments: tuple[str, ...], package: str
) -> None:
    result = python(COMMAND_WITHOUT_EXTRA, *arguments, package)

    assert (
        2,
        f"llmsvc: {package} is missing: install the commands' extra, pip install 'llmsvc[cli]'\n",
    ) == (result.returncode, result.stderr)
