"""The signing key: made for local use in a keyring of its own, or one of the user's by fingerprint.

Signing is gpg's, in that keyring; only public halves are ever exported. Knows nothing of what is signed.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import platformdirs

from rocm_patch.errors import RepositoryError
from rocm_patch.packaging import tools
from rocm_patch.sysroot.tools import which

_USER = "rocm-patch local repository"
_FIELDS_WITH_FINGERPRINT = 10


@attrs.frozen
class Key:
    """A key that can sign: its fingerprint, and the gpg home that holds its private half."""

    fingerprint: str
    home: Path | None = None

    def gpg(self, *words: str, what: str, data: bytes | None = None) -> str:
        """Run gpg in the key's keyring. RepositoryError."""
        return _gpg(self.home, *words, what=what, data=data)

    def public(self) -> str:
        """Give the public half, armoured."""
        words = ("--armor", "--export-options", "export-minimal", "--export", self.fingerprint)
        text = self.gpg(*words, what="exporting the public key")
        if "BEGIN PGP PUBLIC KEY BLOCK" not in text:
            raise RepositoryError(f"gpg gave no public key of {self.fingerprint}")
        return text

    def sign(self, file: Path, out: Path, *, clear: bool = False) -> None:
        """Sign a file: detached and armoured, or `clear`, with the text inside. RepositoryError."""
        kind = ["--clearsign"] if clear else ["--armor", "--detach-sign"]
        self.gpg(
            "--yes", "--local-user", self.fingerprint, "--digest-algo", "SHA512", "--output", str(out),
            *kind, str(file), what=f"signing {file.name}",
        )  # fmt: skip

    def sign_rpm(self, file: Path) -> None:
        """Put a signature into an rpm, which is replaced. RepositoryError."""
        argv = ["rpmsign", "--define", f"_gpg_name {self.fingerprint}", "--define", "_gpg_digest_algo sha256"]
        # Debian's rpm looks for gpg2, which is a name that Debian's gpg no longer has.
        argv += ["--define", f"__gpg {which('gpg')}"]
        if self.home is not None:
            argv += ["--define", f"_gpg_path {self.home}"]
        env = {"GNUPGHOME": str(self.home)} if self.home is not None else None
        tools.run(
            [*argv, "--addsign", str(file)], what=f"signing {file.name}", error=RepositoryError, env=env
        )

    def close(self) -> None:
        """End the agent that gpg left running for a keyring of ours; it asks for no passphrase later."""
        if self.home is not None:
            tools.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], what="ending gpg's agent")


def keyring() -> Path:
    """Give the folder of our own keyring: the user's data, not the cache, which may be deleted."""
    return Path(platformdirs.user_data_dir("rocm-patch")) / "keyring"


def make_key(home: Path | None = None) -> Key:
    """Give the local key, made the first time. Its private half is only in the keyring."""
    home = home or keyring()
    if home.is_dir():
        found = _secret(home)
        if found:
            return Key(found[0], home)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    # No passphrase: it signs unattended. RSA: every rpm and apt still in use can check it.
    words = ("--passphrase", "", "--quick-generate-key", _USER, "rsa3072", "sign", "never")
    _gpg(home, *words, what="making a signing key")
    return Key(_secret(home)[0], home)


def find_key(fingerprint: str, home: Path | None = None) -> Key:
    """Give a key of the user's keyring (or of `home`) by its whole fingerprint. RepositoryError."""
    wanted = fingerprint.replace(" ", "").upper()
    if wanted not in _secret(home):
        raise RepositoryError(
            f"there is no private key {wanted}",
            cause=f"gpg knows {', '.join(_secret(home)) or 'none'}",
            step="give the whole fingerprint (gpg --list-secret-keys), or leave --key out for a local key",
        )
    return Key(wanted, home)


def _secret(home: Path | None) -> list[str]:
    """Give the fingerprints of primary keys whose private half is there."""
    lines = _gpg(home, "--with-colons", "--list-secret-keys", what="listing keys").splitlines()
    found, primary = [], False
    for fields in (line.split(":") for line in lines):
        if fields[0] in {"sec", "ssb"}:
            primary = fields[0] == "sec"
        elif fields[0] == "fpr" and primary and len(fields) >= _FIELDS_WITH_FINGERPRINT:
            found.append(fields[9])
            primary = False
    return found


def _gpg(home: Path | None, *words: str, what: str, data: bytes | None = None) -> str:
    argv = ["gpg", "--batch", "--no-tty", "--pinentry-mode", "loopback"]
    argv += ["--homedir", str(home)] if home is not None else []
    return tools.run([*argv, *words], what=what, data=data, error=RepositoryError)
