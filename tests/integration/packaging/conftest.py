"""A dist/ with packages of every kind, made once by the command's own code; a key; repositories served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from tests.integration.packaging import parts
from tests.integration.packaging.rpmclients import rpm

from rocm_patch.packaging.build import Order, Outcome, package_all
from rocm_patch.repo import Key, make_key, publish
from rocm_patch.repo.serve import HOST, make_server
from rocm_patch.sysroot import Sysroot, load_lock
from rocm_patch.sysroot.make import create


@attrs.frozen
class House:
    """The dist folder, what was packaged into it, and from which stock packages."""

    dist: Path
    outcome: Outcome
    stocks: dict[str, Path]

    @property
    def miopen(self) -> Path:
        """The folder of MIOpen's product."""
        return self.dist.parent / "product"

    def path(self, start: str) -> Path:
        """Give the one package whose file name starts so."""
        return next(one.path for one in self.outcome.made if one.path.name.startswith(start))


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    top = tmp_path_factory.mktemp("house")
    stock = top / "stock"
    stock.mkdir()
    stocks = {
        "rocblas.deb": parts.stock_deb(stock, "rocblas", ["gfx1010", "gfx1030"]),
        "rocblas.rpm": parts.stock_rpm(stock, "rocblas", ["gfx1010", "gfx1030"]),
        "miopen.deb": parts.stock_deb(stock, "miopen-hip", ["gfx1030"]),
        "miopen.rpm": parts.stock_rpm(stock, "miopen-hip", ["gfx1030"]),
    }
    dist = top / "dist"
    parts.product(dist / "products/rocblas", "rocblas", with_kernels=True)
    # One as a folder, one as a recipe delivers it: an archive of the folder product/.
    parts.product(top / "product", "miopen", with_library="ours")
    parts.run(["tar", "-C", top, "--xz", "-cf", dist / "miopen-6.4.3-gfx1010.tar.xz", "product"])
    parts.wheel(dist)
    outcome = package_all(Order(dist=dist, stocks=list(stocks.values()), layouts=["amd"]))
    return House(dist, outcome, stocks)


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    made = make_key(tmp_path_factory.mktemp("k") / "ring")
    yield made
    made.close()


@pytest.fixture(scope="session")
def served(house: House, key: Key, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The repositories of `house`, and the address at which the command's own server has them."""
    out = tmp_path_factory.mktemp("served") / "repo"
    server = make_server(out, 0)
    url = f"http://{HOST}:{server.server_port}"
    publish(house.dist, out, key, url=url)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield out, url
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def sid() -> Sysroot:
    """Debian sid with apt: the sysroot, of which each test gets a writable view of its own."""
    return create(load_lock())


@pytest.fixture
def root(tmp_path: Path, house: House) -> Path:
    """A root in which rpm has installed AMD's stock packages (their stand-ins)."""
    root = tmp_path / "root"
    root.mkdir()
    rpm(root, "-i", house.stocks["rocblas.rpm"], house.stocks["miopen.rpm"])
    return root


@pytest.fixture
def repo(served: tuple[Path, str]) -> Path:
    return served[0]
