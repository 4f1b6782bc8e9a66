"""`rocm-patch repo`: signed apt and rpm repositories and a Python index over dist/, served if asked for.

Options and output only; the work is in rocm_patch.repo.
"""

from __future__ import annotations

from pathlib import Path

import click

from rocm_patch.errors import RepositoryError
from rocm_patch.paths import dist_root
from rocm_patch.repo.clients import README
from rocm_patch.repo.keys import find_key, make_key
from rocm_patch.repo.publish import publish
from rocm_patch.repo.serve import HOST, ended_by_signal, make_server

_PORT = 8642
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--dist", type=_FOLDER, help="Folder of packages/ and wheels; dist/ by default.")
@click.option("--out", type=_FOLDER, help="Folder to write; DIST/repo by default.")
@click.option("--url", help="The address that clients will use; this machine's by default.")
@click.option("--key", "fingerprint", help="Sign with this key of yours; a local one is made otherwise.")
@click.option("--keyring", type=_FOLDER, help="gpg's home that holds the key.")
@click.option("--serve", is_flag=True, help="Serve it on this machine's loopback until Ctrl-C.")
@click.option("--port", default=_PORT, show_default=True, help="The port of --serve; 0 takes a free one.")
def repo(
    *,
    dist: Path | None,
    out: Path | None,
    url: str | None,
    fingerprint: str | None,
    keyring: Path | None,
    serve: bool,
    port: int,
) -> None:
    """Publish dist/: apt (InRelease, by-hash), rpm (repomd.xml.asc), pip; docs/repositories.md."""
    source = (dist or dist_root()).absolute()
    target = (out or source / "repo").absolute()
    key = find_key(fingerprint, keyring) if fingerprint else make_key(keyring)
    try:
        server = make_server(target, port) if serve else None
    except OSError as error:
        raise RepositoryError(
            f"port {port} cannot be served on", cause=str(error), step="name another with --port"
        ) from error
    address = url or f"http://{HOST}:{server.server_port if server else port}"
    made = publish(source, target, key, url=address)
    for kind, counts in (("apt", made.debs), ("rpm", made.rpms)):
        for suite, count in counts.items():
            click.echo(f"{kind} {suite}: {count} package(s)")
    click.echo(f"pip: {made.wheels} wheel(s)")
    click.echo(f"{made.root}, signed by {key.fingerprint}\n")
    click.echo((made.root / README).read_text(encoding="utf-8"))
    if server is not None:
        with ended_by_signal(server):
            click.echo(f"serving {address} (Ctrl-C ends it)")
            server.serve_forever()
        click.echo("ended")
