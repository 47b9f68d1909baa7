"""A Go module of its own in a temporary folder: the client's sources, and stubs made for it."""

import shutil
from pathlib import Path

from tests.interop.examples import examples
from tests.interop.programs import ROOT, SEARCHED, program
from tests.interop.running import Ran, run

SOURCES = ROOT / "tests/interop/go"
BUILD_LIMIT_S = 300.0  # gRPC itself is compiled the first time


class GoWorkshop:
    """Builds Go programs against the contract, without network."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is empty."""
        self._folder = folder

    async def open(self) -> None:
        """Copy the sources and generate the stubs, as docs/clients.md says.

        Raises:
            pytest.skip.Exception: Programs are missing.
        """
        for plugin in ("protoc-gen-go", "protoc-gen-go-grpc"):
            program(plugin)
        shutil.copytree(SOURCES, self._folder, dirs_exist_ok=True)
        (self._folder / "protos").symlink_to(ROOT / "protos")
        generate = examples()["go-stubs"].code
        made = await run(
            *("bash", "-euc", generate), cwd=self._folder, environment={"PATH": SEARCHED}
        )
        assert 0 == made.code, made.err

    async def build(self, name: str, source: str = "") -> Path:
        """Return a built program.

        Args:
            name: Its folder in the module.
            source: Its only file, if it is not there yet.
        """
        if source:
            (self._folder / name).mkdir()
            (self._folder / name / "main.go").write_text(source, encoding="utf-8")
        built = self._folder / f"{name}.program"
        await self._go("vet", f"./{name}")
        await self._go("build", "-o", str(built), f"./{name}")
        return built

    async def _go(self, *arguments: str) -> Ran:
        offline = {"GOPROXY": "off", "GOFLAGS": "-mod=readonly"}
        go = program("go")
        ran = await run(
            go, *arguments, cwd=self._folder, environment=offline, within_s=BUILD_LIMIT_S
        )
        assert 0 == ran.code, ran.err
        return ran
