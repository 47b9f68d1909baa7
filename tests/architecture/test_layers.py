"""The staircase: import-linter's contracts hold, and they speak of every module there is."""

import configparser
import sys
from pathlib import Path

from tests.architecture.command import run


def contracts(root: Path) -> configparser.ConfigParser:
    """Return the contracts as import-linter reads them."""
    parser = configparser.ConfigParser()
    parser.read(root / ".importlinter", encoding="utf-8")
    return parser


def modules_of(package: Path) -> set[str]:
    """Return the names of the modules and packages directly inside a package."""
    names = {entry.stem for entry in package.glob("*.py")}
    return (names | {entry.parent.name for entry in package.glob("*/__init__.py")}) - {"__init__"}


def test_every_import_keeps_to_the_contracts() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    result = run(tool, "--no-logo", "--no-cache")

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_contract_that_allows_one_package_names_all_others(root: Path) -> None:
    everything = {f"llmsvc_server.{name}" for name in modules_of(root / "server/llmsvc_server")} - {
        "llmsvc_server.__main__"
    }
    allowed = {
        "http-in-providers": "llmsvc_server.providers",
        "settings-in-config": "llmsvc_server.config",
        "logs-in-sinks": "llmsvc_server.observability",
    }
    parser = contracts(root)
    found = {
        name: set(parser[f"importlinter:contract:{name}"]["source_modules"].split())
        for name in allowed
    }

    assert found == {
        name: everything - {only} | {"llmsvc_client"} for name, only in allowed.items()
    }
